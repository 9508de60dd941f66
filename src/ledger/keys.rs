//! Every key of the ledger, spelled once, with its type and lifetime.
//!
//! All keys of a namespace share one hash tag, so that every script runs on one slot of a Redis
//! Cluster. The due refunds, records, states, leases and orders are a few large keys on purpose:
//! a batch is then one command a key, and a script knows all its keys before it runs.

/// The namespace and the partition that the keys belong to.
///
/// There is one partition for now; more hash tags with a fetcher each are how a cluster will be
/// filled, and nothing but a refund and its order may assume to share one.
#[derive(Debug, Clone)]
pub struct Keys {
    tag: String,
}

impl Keys {
    /// The keys of `namespace`.
    pub fn new(namespace: &str) -> Self {
        Self { tag: format!("{{{namespace}}}") }
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.tag)
    }

    /// Matches every key of the namespace and no other, for `SCAN`.
    pub fn pattern(&self) -> String {
        // None of the characters that a namespace may have means anything in a pattern.
        self.key("*")
    }

    /// Stream; order systems write, intake reads by consumer group and deletes what it has taken.
    pub fn requests(&self) -> String {
        self.key("requests")
    }

    /// Stream; results for order systems. Trimmed by age once every group has read.
    pub fn results(&self) -> String {
        self.key("results")
    }

    /// Stream; requests that could not be read, raw. Never trimmed by refundd.
    pub fn quarantine(&self) -> String {
        self.key("quarantine")
    }

    /// Stream; what people did, and when writes may have been lost. Capped at about 1,000,000 lines.
    pub fn audit(&self) -> String {
        self.key("audit")
    }

    /// Stream; what workers knew whose leases were over. Capped at about 100,000 lines.
    pub fn stale(&self) -> String {
        self.key("stale")
    }

    /// Hash, refund number → what was asked. Lives until the retention of a settled refund ends.
    pub fn refunds(&self) -> String {
        self.key("refunds")
    }

    /// Hash, refund number → where it stands. Lives as long as the refund.
    pub fn states(&self) -> String {
        self.key("states")
    }

    /// Sorted set, refund number by the Unix ms when it needs attention or its lease ends; `+inf`
    /// while it waits for its order. Lives until the refund has ended.
    pub fn due(&self) -> String {
        self.key("due")
    }

    /// Hash, refund number → fence, mark, crashes, beginning and word of the lease. Lives from claim to
    /// commit; the word names the run of Redis in which it counts.
    pub fn leases(&self) -> String {
        self.key("leases")
    }

    /// Hash, order id → how much is held, what was paid, whose turn it is. Lives as long as the
    /// order's last refund.
    pub fn orders(&self) -> String {
        self.key("orders")
    }

    /// Sorted set, refund number by the Unix ms when it settled. Lives until retention ends.
    pub fn settled(&self) -> String {
        self.key("settled")
    }

    /// Set, the ids of orders that hold more than was paid, as only a correction can make them. Lives
    /// until the order does not.
    pub fn overdrawn(&self) -> String {
        self.key("overdrawn")
    }

    /// Counter; every write raises it. The fences come from it.
    pub fn seq(&self) -> String {
        self.key("seq")
    }

    /// Hash, account or `*` for all → who stopped its submits, why and since when. Lives until they go
    /// on.
    pub fn pauses(&self) -> String {
        self.key("pauses")
    }

    /// Hash, account and day → minor units that were cleared to be sent. The day before yesterday goes
    /// with the first refund of a day.
    pub fn spent(&self) -> String {
        self.key("spent")
    }

    /// Hash, refund number → the last day in which it was counted. Lives as long as the refund.
    pub fn counted(&self) -> String {
        self.key("counted")
    }

    /// Hash; which Redis wrote last, and when it was last found to have lost writes. Never deleted.
    pub fn epoch(&self) -> String {
        self.key("epoch")
    }

    /// Hash; how many refunds and how much money each bin holds, and what has ended. Never deleted.
    pub fn bins(&self) -> String {
        self.key("bins")
    }

    /// Sorted set, refund number by the Unix ms of its admission, of one state that is not final: by the
    /// word of that state. Lives until the refund leaves it.
    pub fn of_state(&self, state: &str) -> String {
        self.key(state)
    }

    /// Hash, gateway and its own number → refund number. Lives as long as the refund.
    pub fn found(&self) -> String {
        self.key("found")
    }

    /// Stream; one sample a minute for charts. About the newest 43,200.
    pub fn history(&self) -> String {
        self.key("history")
    }

    /// Hash, worker → what it last said of itself. Lives for a day after that.
    pub fn workers(&self) -> String {
        self.key("workers")
    }

    /// Pub/sub channel; a message means that a refund has become due now.
    pub fn wake(&self) -> String {
        self.key("wake")
    }
}
