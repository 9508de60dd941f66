//! The same work as `refundd bench`, done with plain apalis and apalis-redis.
//!
//! One queue; a job submits a refund or asks for it, and pushes the job for the next question. Prints
//! one line of JSON, after it has counted that every refund settled exactly once. What is and is
//! not comparable: `../README.md`.

mod gateway;

use std::collections::HashSet;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use apalis::prelude::*;
use apalis_redis::{Config, ConnectionManager, RedisStorage};
use futures_util::stream;
use redis::AsyncCommands as _;
use redis::streams::StreamRangeReply;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};

use gateway::{Error, Gateway, Refund};

/// Where the results go.
const RESULTS: &str = "peer:results";
/// Most refunds that are open at a time. apalis-redis moves all due jobs in one script call, whose
/// `unpack` fails from 8,000 on, and from then on every time.
const OPEN_MAX: u32 = 7_000;
/// Refunds that are pushed in one call.
const CHUNK: u32 = 500;

/// How soon an empty queue is looked at again.
const IDLE: Duration = Duration::from_millis(10);

/// A step of a refund.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Step {
    Submit(Refund),
    Poll(Refund),
}

type Storage = RedisStorage<Step>;

/// What all jobs share.
#[derive(Debug, Clone)]
struct Work {
    gateway: Gateway,
    results: ConnectionManager,
    storage: Storage,
    delay: Duration,
    total: u64,
    /// Room for more open refunds.
    room: Arc<Semaphore>,
    polls: Arc<AtomicU64>,
    settled: Arc<AtomicU64>,
    all_settled: Arc<Notify>,
}

impl Work {
    /// One job.
    async fn step(&self, step: Step) -> Result<(), Error> {
        let refund = match step {
            Step::Submit(refund) => {
                self.gateway.submit(&refund).await?;
                refund
            }
            Step::Poll(refund) => {
                self.polls.fetch_add(1, Ordering::Relaxed);
                if self.gateway.is_done(&refund).await? {
                    return self.settle(&refund).await;
                }
                refund
            }
        };
        // Whole seconds: 50 ms from now is nearly always this second, and so due at once.
        let poll = TaskBuilder::new(Step::Poll(refund)).run_after(self.delay).build();
        Ok(self.storage.clone().push_task(poll).await?)
    }

    async fn settle(&self, refund: &Refund) -> Result<(), Error> {
        let amount = refund.amount.to_string();
        let fields =
            [("refund_no", refund.no.as_str()), ("status", "SUCCESS"), ("amount_cents", &amount)];
        let _: String = self.results.clone().xadd(RESULTS, "*", &fields).await?;
        self.room.add_permits(1);
        if self.settled.fetch_add(1, Ordering::Relaxed) + 1 == self.total {
            self.all_settled.notify_one();
        }
        Ok(())
    }

    /// Pushes these refunds, as there is room for them.
    async fn feed(&self, refunds: &[Refund]) -> Result<(), Error> {
        let mut storage = self.storage.clone();
        for chunk in refunds.chunks(usize::try_from(CHUNK)?) {
            self.room.acquire_many(u32::try_from(chunk.len())?).await?.forget();
            let tasks: Vec<_> =
                chunk.iter().cloned().map(Step::Submit).map(TaskBuilder::new).collect();
            storage.push_all(stream::iter(tasks.into_iter().map(TaskBuilder::build))).await?;
        }
        Ok(())
    }
}

/// How much work, from the environment.
fn number(name: &str, usual: u64) -> Result<u64, Error> {
    let Ok(text) = env::var(name) else { return Ok(usual) };
    match text.parse() {
        Ok(value) if value > 0 => Ok(value),
        _ => Err(format!("{name} must be a whole number above 0").into()),
    }
}

fn text(name: &str, usual: &str) -> String {
    env::var(name).unwrap_or_else(|_| usual.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let total = number("REFUNDS", 20_000)?;
    let polls = number("POLLS", 1)?;
    let concurrency = usize::try_from(number("CONCURRENCY", 64)?)?;
    let redis_url = text("REDIS_URL", "redis://127.0.0.1:6379");
    let gateway_url = text("GATEWAY_URL", "http://127.0.0.1:8791");

    // Locks, results and events are left as apalis-redis has them; only the batch fits the work.
    let config = Config::default().queue("refunds").batch_size(2 * concurrency);
    let storage =
        Storage::new(apalis_redis::connect(redis_url.as_str()).await?).with_config(config);
    let work = Work {
        gateway: Gateway::new(&gateway_url, concurrency)?,
        results: apalis_redis::connect(redis_url.as_str()).await?,
        storage: storage.clone(),
        delay: Duration::from_millis(number("DELAY_MS", 50)?),
        total,
        room: Arc::new(Semaphore::new(usize::try_from(OPEN_MAX)?)),
        polls: Arc::default(),
        settled: Arc::default(),
        all_settled: Arc::default(),
    };
    let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    let refunds: Vec<_> =
        (0..total).map(|n| Refund { no: format!("A{run}-{n}"), amount: 100 + n % 900 }).collect();

    let handler = work.clone();
    let worker = WorkerBuilder::new("peer")
        .backend(storage.poll_with_interval(IDLE))
        .concurrency(concurrency)
        .parallelize(tokio::spawn)
        .build(move |step: Step| {
            let work = handler.clone();
            async move { work.step(step).await.inspect_err(|err| eprintln!("a job failed: {err}")) }
        });
    // From the first refund that is pushed to the last result, as refundd counts.
    let began = Instant::now();
    let feed_and_wait = async {
        work.feed(&refunds).await?;
        work.all_settled.notified().await;
        Ok::<_, Error>(())
    };
    tokio::select! {
        ended = worker.run() => {
            ended?;
            return Err("the worker ended early".into());
        }
        waited = feed_and_wait => waited?,
        () = tokio::time::sleep(Duration::from_secs(number("TIMEOUT_S", 600)?)) => {
            let settled = work.settled.load(Ordering::Relaxed);
            return Err(format!("{settled} of {total} settled when time was up").into());
        }
    }
    let seconds = began.elapsed().as_secs_f64();

    check(&work, &refunds, polls).await?;
    let rate = u32::try_from(total).map(f64::from)? / seconds;
    let (name, rate) = ("apalis-redis", rate.round());
    println!(
        r#"{{"contender":"{name}","settled_per_second":{rate},"seconds":{seconds:.3},"settled":{total}}}"#
    );
    Ok(())
}

/// Every refund has exactly one result, and was asked for as often as agreed.
async fn check(work: &Work, refunds: &[Refund], polls: u64) -> Result<(), Error> {
    let results: StreamRangeReply = work.results.clone().xrange_all(RESULTS).await?;
    let numbers: HashSet<String> =
        results.ids.iter().filter_map(|entry| entry.get("refund_no")).collect();
    let missing = refunds.iter().filter(|refund| !numbers.contains(&refund.no)).count();
    let (lines, asked) = (results.ids.len(), work.polls.load(Ordering::Relaxed));
    if missing > 0 || lines != refunds.len() || numbers.len() != refunds.len() {
        let distinct = numbers.len();
        return Err(format!("{missing} missing; {lines} results of {distinct} refunds").into());
    }
    if asked != work.total * polls {
        return Err(format!("{asked} polls, not {polls} of each: how is the sandbox set?").into());
    }
    Ok(())
}
