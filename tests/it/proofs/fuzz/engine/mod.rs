//! Runs one target of the fuzzing: makes the cases, watches time and memory, names what failed.
//!
//! Compiled into the integration tests and, by path, into the unit tests of the crate, because some
//! readers are private to their room.

#![allow(
    clippy::print_stderr,
    clippy::panic,
    clippy::unwrap_used,
    reason = "made for tests; clippy counts it as one in the crate, not in the integration tests"
)]

pub(crate) mod mutate;

use std::any::Any;
use std::fs::File;
use std::io::{Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mutate::Dice;

/// How many cases a target runs, where its own number is not wanted.
const CASES: &str = "REFUNDD_FUZZ_CASES";

/// Runs this one case only.
const SEED: &str = "REFUNDD_FUZZ_SEED";

/// Longest that one case may take. A case takes milliseconds; only one that never ends takes this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most bytes of a failing case that are printed; the seed makes it again in full.
const PRINTED: usize = 4_096;

/// One target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Its name in what is printed; legal in a file name.
    pub(crate) name: &'static str,
    /// Cases of the short form.
    pub(crate) cases: u64,
    /// Most memory that reading a case may hold at once: bytes for every byte of the case …
    pub(crate) memory_per_byte: u64,
    /// … and this many more.
    pub(crate) memory_more: u64,
}

impl Target {
    /// Makes every case with `make`, hands it to `read` under the eye of the allocator, and what
    /// that gives to `check`, which says whether it was something or a refusal. In the short form
    /// both must occur: a target that refuses everything would look into nothing.
    ///
    /// # Panics
    /// With the seed and the bytes of the first case in which `read` or `check` panics, or `read`
    /// takes too much memory. Where a case never ends, or overflows the stack, the process ends.
    pub(crate) fn run<T>(
        self,
        make: impl Fn(&mut Dice) -> Vec<u8>,
        read: impl Fn(&[u8]) -> T,
        check: impl Fn(&[u8], T) -> bool,
    ) {
        let seeds = match number(SEED) {
            Some(seed) => seed..seed + 1,
            None => 0..number(CASES).unwrap_or(self.cases),
        };
        let (ran, watch) = (seeds.end - seeds.start, Watch::start(self.name, seeds.start));
        let (mut most, mut understood) = (0, 0);
        for seed in seeds {
            watch.note(seed);
            let bytes = make(&mut Dice::new(seed));
            match catch_unwind(AssertUnwindSafe(|| self.one(&bytes, &read, &check))) {
                Ok((held, some)) => {
                    most = most.max(held);
                    understood += u64::from(some);
                }
                Err(panic) => {
                    self.tell(seed, &bytes);
                    watch.end();
                    resume_unwind(panic);
                }
            }
        }
        watch.end();
        let name = self.name;
        eprintln!(
            "proved: fuzz {name}, {ran} cases, {understood} understood, at most {most} bytes held"
        );
        let both = understood > 0 && understood < ran;
        assert!(both || ran < self.cases, "{understood} of {ran} cases were understood");
    }

    /// One case: how much memory the reading held, and whether it was understood.
    fn one<T>(
        self,
        bytes: &[u8],
        read: impl Fn(&[u8]) -> T,
        check: impl Fn(&[u8], T) -> bool,
    ) -> (u64, bool) {
        let mut got = None;
        let held = allocation_counter::measure(|| got = Some(read(bytes))).bytes_max;
        let len = u64::try_from(bytes.len()).unwrap();
        let bound = self.memory_per_byte * len + self.memory_more;
        assert!(held <= bound, "{held} bytes of memory for {len} bytes, at most {bound} are due");
        (held, check(bytes, got.unwrap()))
    }

    fn tell(self, seed: u64, bytes: &[u8]) {
        let shown = bytes[..bytes.len().min(PRINTED)].escape_ascii();
        let cut = if bytes.len() > PRINTED { " (cut)" } else { "" };
        eprintln!("fuzz {}: case {seed} failed, replay it with {SEED}={seed}", self.name);
        eprintln!("fuzz {}: its {} bytes{cut}: b\"{shown}\"", self.name, bytes.len());
    }
}

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, got {text:?}")))
}

/// Ends the process when one case takes too long. Keeps the seed in a file that outlives it where
/// no panic can tell of the case.
struct Watch {
    seed: Arc<AtomicU64>,
    path: PathBuf,
    file: File,
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start(target: &'static str, first: u64) -> Self {
        let name = format!("refundd-fuzz-{}-{target}.seed", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = File::create(&path).unwrap();
        let seed = Arc::new(AtomicU64::new(first));
        let (end, ended) = channel();
        let watched = Arc::clone(&seed);
        let thread = std::thread::spawn(move || {
            let mut before = None;
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PATIENCE) {
                let now = watched.load(Ordering::Relaxed);
                if before == Some(now) {
                    eprintln!("fuzz {target}: case {now} never ends, replay: {SEED}={now}");
                    std::process::abort();
                }
                before = Some(now);
            }
        });
        Self { seed, path, file, end, thread }
    }

    fn note(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
        let mut file = &self.file;
        file.rewind().and_then(|()| writeln!(file, "{seed}")).unwrap();
    }

    fn end(self) {
        self.end.send(()).unwrap();
        let ended: Result<(), Box<dyn Any + Send>> = self.thread.join();
        ended.unwrap();
        std::fs::remove_file(self.path).unwrap();
    }
}
