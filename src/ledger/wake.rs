//! Wakes sleeping workers when a refund has become due in another process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;

use super::connection::Connector;
use super::keys::Keys;

/// Pause before listening again after the connection was lost.
const RETRY: Duration = Duration::from_millis(250);

/// Listens for ever and tells `wake` of every message, and once after each reconnect, because
/// messages may have been missed. Runs in a task of its own.
pub async fn listen(connector: Connector, keys: Keys, wake: Arc<Notify>) {
    loop {
        if let Ok(mut pubsub) = connector.listening().await
            && pubsub.subscribe(keys.wake()).await.is_ok()
        {
            wake.notify_one();
            let mut messages = pubsub.on_message();
            while messages.next().await.is_some() {
                wake.notify_one();
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}
