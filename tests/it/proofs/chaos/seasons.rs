//! How the gateway misbehaves, one way after the other.

use refundd::sandbox::{Fault, FaultPlan, On, Rule};

use super::traffic::fates;

/// One way in which it misbehaves: its name, and the rules.
type Season = (&'static str, Vec<Rule>);

/// All of them. The names are those of the report.
pub(super) fn all() -> Vec<Season> {
    let some = |on, fault, per_mille| Rule::new(on, fault).per_mille(per_mille);
    vec![
        (
            "answers lost",
            vec![some(On::Submits, Fault::ResetAfter, 250), some(On::Both, Fault::BreakOff, 100)],
        ),
        ("requests lost", vec![some(On::Submits, Fault::ResetBefore, 250)]),
        ("answers late", vec![some(On::Both, Fault::AnswerLate { ms: 1_500 }, 150)]),
        ("answers slow", vec![some(On::Both, Fault::AnswerLate { ms: 300 }, 400)]),
        (
            "errors of HTTP",
            vec![
                some(On::Both, Fault::Http { status: 502, processed: true }, 150),
                some(On::Both, Fault::Http { status: 503, processed: false }, 150),
                some(On::Both, Fault::Html, 100),
            ],
        ),
        (
            "bodies broken",
            vec![
                some(On::Both, Fault::Truncated, 150),
                some(On::Both, Fault::EmptyBody, 100),
                some(On::Both, Fault::HugeBody, 20),
            ],
        ),
        (
            "signatures bad",
            vec![some(On::Both, Fault::BadSignature, 200), some(On::Both, Fault::NoSignature, 100)],
        ),
        // Twice at most: longer than `visibility_ms` would break what the gateway has promised.
        ("not visible", vec![Rule::new(On::Queries, Fault::NotFound).times(2)]),
        (
            "not sure",
            vec![
                some(On::Queries, Fault::NotSure, 300),
                some(On::Queries, Fault::UnlistedStatus, 200),
                some(On::Queries, Fault::StrangerLine, 200),
            ],
        ),
        (
            "system errors",
            vec![
                some(On::Both, Fault::SysError { code: None, processed: true }, 150),
                some(On::Both, Fault::SysError { code: None, processed: false }, 150),
            ],
        ),
        (
            "refusals",
            vec![refusals("hk", "TRADE_OVERDUE"), refusals("ca", "0112"), refusals("pr", "0112")],
        ),
        ("too frequent", vec![some(On::Both, Fault::TooFrequent { retry_after_s: 1 }, 200)]),
    ]
}

fn refusals(prefix: &str, code: &str) -> Rule {
    let refuse = Fault::Refuse { code: code.to_owned() };
    Rule::new(On::Submits, refuse).prefix(prefix).per_mille(250)
}

/// A season as the gateway takes it, with the fates that hold in all of them.
pub(super) fn plan(seed: u64, rules: Vec<Rule>) -> FaultPlan {
    FaultPlan { seed, rules: [fates(), rules].concat() }
}
