//! What the tests share: servers, builders, and nothing that decides anything.

pub(crate) mod browser;
pub(crate) mod draw;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod refunds;
pub(crate) mod service;

use std::time::{Duration, Instant};

/// How long anything that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Looks until `look` finds something, and panics with `what` if it never does.
#[expect(
    clippy::disallowed_methods,
    reason = "the deadline of a wait is the machine's time, not the product's"
)]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The same where the look itself is asynchronous.
pub(crate) async fn wait_until<T, F>(what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    wait_within(PATIENCE, what, look).await
}

/// The same with another patience: for what takes its time even on an idle machine.
pub(crate) async fn wait_within<T, F>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Option<T>>,
{
    let looks = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let found = tokio::time::timeout(patience, looks).await;
    found.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
