//! The rules that keep money safe, each of which can be taken away: a model that finds nothing
//! without a rule would not have noticed that refundd lacks it.

/// One rule of refundd, and the bug that is there without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The intent is stored before bytes leave and outlives its worker. Without it: a queue hands
    /// a job out again after its worker died, as if nobody had ever begun it, and it is paid twice.
    IntentBeforeBytes,
    /// The claim of a refund whose lease ran out knows that it may have been sent (mark `u`).
    /// Without it: the intent is stored, and the next worker takes it for its own.
    LostIntentIsMaybeSent,
    /// A write compares the fence. Without it: a worker that was stopped for a while writes what
    /// it knew over what another has settled since, and the result is published twice.
    FenceAtCommit,
    /// Only a worker of this run of Redis writes. Without it: Redis comes back as a copy that still
    /// has the lease of a worker from long ago, and the refusal that it heard of the first submit
    /// is stored over a second one that is on its way.
    FenceOfThisRun,
    /// A timeout is unknown and leads to a query. Without it: "no answer" is "not sent", the most
    /// common way to pay twice.
    UnknownMeansQuery,
    /// Only a certified account sends again. Without it: a gateway that pays a repeated number a
    /// second time does so when the first submit was merely late.
    CertifiedBeforeResend,
    /// Absence is believed only after the window in which a gateway may hide what it has. Without
    /// it: a refund that was executed is called failed because it was not shown at once.
    AbsenceNeedsWindow,
    /// A resend carries the same number. Without it: a key made at the time of sending turns a
    /// resend into a second refund.
    SameNumber,
    /// Only a signed answer settles. Without it: an unsigned "SUCCESS" that only meant "taken" is
    /// published, and the refund fails later.
    SignedEvidence,
    /// Lines are matched on the refund number. Without it: the success of another refund of the
    /// order settles this one.
    OwnLines,
    /// A refusal is confirmed by queries. Without it: "number exists", said to a submit that a
    /// proxy had sent twice, is read as a failure of what was executed.
    RefusalConfirmed,
    /// "Number exists" is at most an unsigned refusal. Without it: one early query that does not
    /// show the refund yet is enough to call it failed.
    ExistsIsNoRefusal,
    /// Whoever is about to send looks at the lease once more, and it outlasts the call. Without
    /// it: a worker wakes after Redis lost writes and another worker has sent, and sends too.
    LookBeforeSend,
    /// One refund of an order is under way at a time. Without it: gateways mix up or refuse
    /// simultaneous refunds of one order.
    OneInFlight,
    /// Admission reserves the amount. Without it: two refunds that each fit give back more than
    /// was paid.
    Reservation,
    /// After Redis lost writes, what it believes unsent is asked about first. Without it: a
    /// failover forgets the intent, and the refund is sent a second time.
    AskAfterWriteLoss,
}
