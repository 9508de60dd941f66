//! The round trips of `examples/`, run for real, and their copies in the README.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use refundd::contract::ResultV1;
use refundd::contract::result::OutcomeV1;

use crate::support::service::{Shop, gateway};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// The README's block in that language that is about that example, without the fences.
fn block(language: &str, name: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README.md");
    let blocks = readme.split("\n```").collect::<Vec<_>>();
    let opening = format!("{language}\n");
    let found = blocks.iter().find_map(|block| {
        let text = block.strip_prefix(&opening)?;
        let head: String = text.lines().take(2).collect();
        head.contains(&format!("examples/{name}")).then(|| format!("{text}\n"))
    });
    found.unwrap_or_else(|| panic!("README.md has no ```{language} block of examples/{name}"))
}

fn assert_same(language: &str, name: &str) {
    let kept = std::fs::read_to_string(example(name)).expect("the example is there");
    assert!(block(language, name) == kept, "README.md and examples/{name} differ");
}

/// A shop with one running worker.
async fn open_shop() -> Shop {
    let mut shop = Shop::open(gateway()).await;
    shop.run();
    shop
}

/// The run succeeded, and what it printed is the one result, paid once by the gateway's book.
fn assert_paid_once(shop: &Shop, output: &Output) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}{told}");
    let json = text.lines().find(|line| line.starts_with('{')).expect("a result");
    let printed: ResultV1 = serde_json::from_str(json).expect("a result of version 1");
    assert_eq!((printed.outcome, printed.amount_cents), (OutcomeV1::Succeeded, Some(1_250)));
    let [published] = <[ResultV1; 1]>::try_from(shop.results_now()).expect("one result");
    assert_eq!(published.event_id, printed.event_id);
    assert_eq!(shop.book().effects(&printed.refund_no), 1);
    let pending: (u64, redis::Value, redis::Value, redis::Value) =
        shop.redis.cmd(&["XPENDING", "{refunds}:results", &group(shop)]);
    assert_eq!(pending.0, 0, "the result was acknowledged");
}

/// The one consumer group of the results.
fn group(shop: &Shop) -> String {
    let groups: Vec<std::collections::HashMap<String, redis::Value>> =
        shop.redis.run("XINFO GROUPS {refunds}:results");
    redis::from_redis_value(groups[0]["name"].clone()).expect("a name")
}

/// A Python that has redis-py; where there is none it is installed below the target folder.
fn python() -> Command {
    let folder = root().join("target/python");
    let with = |program: &str| {
        let mut command = Command::new(program);
        command.env("PYTHONPATH", &folder);
        command
    };
    let imports = |program: &str| {
        with(program).args(["-c", "import redis"]).output().is_ok_and(|out| out.status.success())
    };
    let programs = ["python3", "/usr/bin/python3"];
    let find = || programs.into_iter().find(|program| imports(program));
    if let Some(program) = find() {
        return with(program);
    }
    let mut install = Command::new("python3");
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
    let installed = install.arg(&folder).arg("redis>=5").output().expect("python3 is there");
    let told = String::from_utf8_lossy(&installed.stderr);
    let advice = "install it (Debian: apt-get install python3-redis)";
    with(find().unwrap_or_else(|| panic!("no Python has redis-py: {advice}\n{told}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_example_round_trips_one_refund() {
    let shop = open_shop().await;
    let output = python().arg(example("roundtrip.py")).arg(shop.redis.url()).output();
    assert_paid_once(&shop, &output.unwrap());
}

#[test]
fn the_python_example_is_the_one_of_the_readme() {
    assert_same("python", "roundtrip.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_example_round_trips_one_refund() {
    let shop = open_shop().await;
    let socket = shop.redis.url().replace("unix://", "");
    let output = Command::new("sh").arg(example("roundtrip.sh")).args(["-s", &socket]).output();
    assert_paid_once(&shop, &output.unwrap());
}

#[test]
fn the_shell_example_is_the_one_of_the_readme() {
    assert_same("sh", "roundtrip.sh");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_php_example_is_the_one_of_the_readme_and_round_trips_where_php_has_phpredis() {
    assert_same("php", "roundtrip.php");
    let has = Command::new("php").args(["-r", "exit((int) !extension_loaded('redis'));"]).output();
    if has.is_ok_and(|out| out.status.success()) {
        let shop = open_shop().await;
        let example = example("roundtrip.php");
        let output = Command::new("php").arg(example).arg(shop.redis.url()).output();
        assert_paid_once(&shop, &output.unwrap());
    }
}
