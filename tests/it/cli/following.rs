//! Commands that go on until somebody stops them.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use crate::support::redis::signal;
use crate::support::service::{Shop, ended, gateway, request};

fn start(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("refundd can be started")
}

/// Sends a signal and says how the process ended by it.
fn end(mut child: Child, by: &str) -> Option<i32> {
    signal(by, &child.id().to_string());
    ended(&mut child).code()
}

#[tokio::test(flavor = "multi_thread")]
async fn following_prints_each_new_result_until_it_is_interrupted() {
    let mut shop = Shop::open(gateway()).await;
    shop.run();
    shop.push(&request("R-1", "shop-ca"));
    shop.results(1).await;
    for args in [&["results", "--follow"][..], &["results", "--follow", "--group", "books"]] {
        let mut follower = start(shop.refundd(args));
        let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().starts_with("R-1 "), "what is there comes first");
        let next = format!("R-{}-later", args.len());
        shop.push(&request(&next, "shop-hk"));
        let new = lines.find(|line| line.as_ref().unwrap().starts_with(&next));
        assert!(new.unwrap().unwrap().contains("succeeded"));
        assert_eq!(end(follower, "-INT"), Some(130));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_command_leaves_no_redis_of_its_own_behind() {
    let folder = super::folder();
    let socket = folder.path().join("refundd-data/redis.sock");
    for (args, by, expected) in [
        (["results", "--follow"], "-INT", 130),
        (["results", "--follow"], "-TERM", 0),
        (["enqueue", "-"], "-INT", 130),
    ] {
        let child = start(super::refundd(folder.path(), &args));
        let client = redis::Client::open(format!("unix://{}", socket.display())).unwrap();
        crate::support::wait_for("the embedded Redis", || client.get_connection().ok());
        assert_eq!(end(child, by), Some(expected), "{args:?} {by}");
        assert!(client.get_connection().is_err(), "{args:?} {by}: the server still runs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fed_before_the_input_ends_is_pushed_at_its_end() {
    let shop = Shop::open(gateway()).await;
    let mut child = start(shop.refundd(&["enqueue", "-"]));
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", request("R-1", "shop-ca")).unwrap();
    drop(stdin);
    assert_eq!(ended(&mut child).code(), Some(0));
    assert_eq!(shop.redis.run::<u64>("XLEN {refunds}:requests"), 1);
}
