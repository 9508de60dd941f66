//! Crash points: the places right before and right after what must never be lost, where a proof can
//! kill or stop the whole process. They exist in debug builds only; a release has none.
//!
//! A proof arms one point through the environment variable [`VARIABLE`], as `after_send:KILL:2`: the
//! second pass of that point sends the signal to the process and goes no further.

/// The environment variable that arms a point.
pub const VARIABLE: &str = "REFUNDD_CRASH_POINT";

/// A place in the way of a refund, in the order in which it comes past them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Requests are read, none is taken in.
    RequestsRead,
    /// Refunds are admitted, duplicates and conflicts not answered yet.
    Admitted,
    /// A request that leads to no refund is about to be answered.
    BeforeRefuse,
    /// A claim is about to be made.
    BeforeClaim,
    /// A claim was made, nobody acts on it yet.
    AfterClaim,
    /// The last look before a send is about to be taken.
    BeforeClearance,
    /// The submit may leave, and has not.
    BeforeSend,
    /// The answer to a submit is in hand.
    AfterSend,
    /// A query is about to leave.
    BeforeQuery,
    /// The answer to a query is in hand.
    AfterQuery,
    /// What became of refunds is about to be stored.
    BeforeCommit,
    /// It is stored, nobody was told.
    AfterCommit,
    /// Leases are about to be put back.
    BeforePutBack,
    /// Leases were put back.
    AfterPutBack,
}

impl Point {
    /// Every point.
    pub const ALL: &[Self] = &[
        Self::RequestsRead,
        Self::Admitted,
        Self::BeforeRefuse,
        Self::BeforeClaim,
        Self::AfterClaim,
        Self::BeforeClearance,
        Self::BeforeSend,
        Self::AfterSend,
        Self::BeforeQuery,
        Self::AfterQuery,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforePutBack,
        Self::AfterPutBack,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsRead => "requests_read",
            Self::Admitted => "admitted",
            Self::BeforeRefuse => "before_refuse",
            Self::BeforeClaim => "before_claim",
            Self::AfterClaim => "after_claim",
            Self::BeforeClearance => "before_clearance",
            Self::BeforeSend => "before_send",
            Self::AfterSend => "after_send",
            Self::BeforeQuery => "before_query",
            Self::AfterQuery => "after_query",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::BeforePutBack => "before_put_back",
            Self::AfterPutBack => "after_put_back",
        }
    }
}

/// Arms the point that `text` names, `POINT:SIGNAL:PASS`; anything else arms nothing.
pub fn arm(text: &str) {
    #[cfg(debug_assertions)]
    armed::arm(text);
    #[cfg(not(debug_assertions))]
    let _ = text;
}

/// The process comes past a point.
pub(crate) fn pass(point: Point) {
    #[cfg(debug_assertions)]
    armed::pass(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod armed {
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Point;

    struct Armed {
        point: Point,
        signal: String,
        passes_left: AtomicU32,
    }

    static ARMED: OnceLock<Armed> = OnceLock::new();

    pub(super) fn arm(text: &str) {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let point = Point::ALL.iter().copied().find(|point| point.as_str() == name);
        let (Some(point), Some(signal)) = (point, parts.next()) else { return };
        let passes = parts.next().and_then(|passes| passes.parse().ok()).unwrap_or(1);
        let passes_left = AtomicU32::new(passes);
        let _ = ARMED.set(Armed { point, signal: signal.to_owned(), passes_left });
    }

    pub(super) fn pass(point: Point) {
        let Some(armed) = ARMED.get().filter(|armed| armed.point == point) else { return };
        if armed.passes_left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        tracing::warn!(point = point.as_str(), signal = armed.signal, "crash point");
        // The signal comes from outside, as the one it plays does; this thread waits for it here.
        let mut kill = Command::new("kill");
        kill.arg(format!("-{}", armed.signal)).arg(std::process::id().to_string());
        let _ = kill.stdin(Stdio::null()).status();
    }
}
