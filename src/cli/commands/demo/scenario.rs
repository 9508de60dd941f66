//! What the demo enqueues, and what the sandbox does to it.
//!
//! Every number says by its ending what will happen to it: `-plain`, `-late` and so on.

use std::path::Path;

use serde_json::json;

use crate::config::Environment;
use crate::sandbox::{
    Duplicates, Fault, FaultPlan, On, PaidOrder, Rule, Running, Settings as SandboxSettings,
};

/// How long the demo waits for an answer of the gateway, ms; late answers come at thrice that.
const TIMEOUT_MS: u64 = 500;

/// What was paid for each order of the demo, cents.
const PAID_CENTS: u64 = 10_000;

/// The accounts, their currency, and what each shows.
pub(super) const ACCOUNTS: [(&str, &str); 3] =
    [("shop-ca", "CAD"), ("shop-hk", "HKD"), ("shop-pair", "HKD")];

/// What happens to a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Plain,
    Partial,
    Failed,
    Late,
    Reset,
    Lost,
    Error,
    Forged,
    Conflict,
    OverRefund,
    Duplicate,
}

impl Kind {
    /// The kinds, as often as they occur among forty refunds.
    const MIX: [(Self, u32); 11] = [
        (Self::Plain, 19),
        (Self::Partial, 6),
        (Self::Failed, 3),
        (Self::Late, 3),
        (Self::Reset, 2),
        (Self::Lost, 1),
        (Self::Error, 2),
        (Self::Forged, 1),
        (Self::Conflict, 1),
        (Self::OverRefund, 1),
        (Self::Duplicate, 1),
    ];

    /// The kind of refund number `i`, and its place among the refunds of that kind in its forty.
    fn of(i: u32) -> (Self, u32) {
        let mut place = (i * 7) % 40; // spread over the run; 7 and 40 have no common factor
        for (kind, share) in Self::MIX {
            if place < share {
                return (kind, place);
            }
            place -= share;
        }
        (Self::Plain, 0)
    }

    /// The ending of its refund numbers.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Partial => "part",
            Self::Failed => "fail",
            Self::Late => "late",
            Self::Reset => "reset",
            Self::Lost => "lost",
            Self::Error => "502",
            Self::Forged => "forged",
            Self::Conflict => "conflict",
            Self::OverRefund => "over",
            Self::Duplicate => "twice",
        }
    }

    /// What happens, in words.
    pub(super) const fn story(self) -> &'static str {
        match self {
            Self::Plain => "nothing special",
            Self::Partial => "three partial refunds of one order",
            Self::Failed => "accepted, then failed by the gateway",
            Self::Late => "executed, answer too late",
            Self::Reset => "executed, connection reset",
            Self::Lost => "connection reset, not executed",
            Self::Error => "executed, answer 502",
            Self::Forged => "executed, answer with a bad signature",
            Self::Conflict => "same number again, other amount",
            Self::OverRefund => "more than was paid",
            Self::Duplicate => "same request pushed twice",
        }
    }

    /// The fault of its submit or its fate.
    fn rule(self) -> Option<Rule> {
        let fault = match self {
            Self::Failed => Fault::FailFinal,
            Self::Late => Fault::AnswerLate { ms: 3 * TIMEOUT_MS },
            Self::Reset => Fault::ResetAfter,
            Self::Lost => Fault::ResetBefore,
            Self::Error => Fault::Http { status: 502, processed: true },
            Self::Forged => Fault::BadSignature,
            Self::Plain | Self::Partial | Self::Conflict | Self::OverRefund | Self::Duplicate => {
                return None;
            }
        };
        let mut rule = Rule::new(On::Submits, fault).suffix(&format!("-{}", self.ending()));
        rule.times = Some(1);
        Some(rule)
    }
}

/// One refund of the demo.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) refund_no: String,
    pub(super) kind: Kind,
    pub(super) account: &'static str,
    pub(super) currency: &'static str,
    pub(super) amount_cents: u64,
    order_no: String,
}

impl Case {
    /// How many results its requests lead to: a conflict is a rejection beside the first result.
    pub(super) fn results(&self) -> usize {
        if self.kind == Kind::Conflict { 2 } else { 1 }
    }

    fn request(&self, amount_cents: u64) -> Vec<u8> {
        json!({
            "v": 1,
            "refund_no": self.refund_no,
            "account": self.account,
            "amount_cents": amount_cents,
            "currency": self.currency,
            "order": {
                "gateway_order_no": format!("P-{}", self.order_no),
                "order_no": self.order_no,
                "paid_cents": PAID_CENTS,
            },
            "reason": self.kind.story(),
        })
        .to_string()
        .into_bytes()
    }
}

/// The whole demo.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) cases: Vec<Case>,
    faults: bool,
}

impl Scenario {
    pub(super) fn new(refunds: u32, faults: bool) -> Self {
        let cases = (0..refunds).map(case).collect();
        Self { cases, faults }
    }

    /// The gateway: it refuses a number that it knows, keeps a refund in processing for a moment.
    pub(super) fn sandbox_settings(&self) -> SandboxSettings {
        let kinds = Kind::MIX.iter().filter_map(|(kind, _)| kind.rule());
        let mut rules: Vec<Rule> = kinds.collect();
        if self.faults {
            rules.extend(random_faults());
        }
        SandboxSettings {
            duplicates: Duplicates::Rejects,
            settle_after_ms: 600,
            faults: FaultPlan { seed: 20_261_122, rules },
            ..SandboxSettings::default()
        }
    }

    /// The orders that were paid.
    pub(super) fn orders(&self) -> impl Iterator<Item = PaidOrder> {
        let mut names: Vec<&String> = self.cases.iter().map(|case| &case.order_no).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|order_no| PaidOrder {
            gateway_order_no: Some(format!("P-{order_no}")),
            order_no: Some(order_no.clone()),
            paid_cents: PAID_CENTS,
        })
    }

    /// Every request in the order of pushing.
    pub(super) fn requests(&self) -> Vec<Vec<u8>> {
        let mut requests = Vec::with_capacity(self.cases.len());
        for case in &self.cases {
            requests.push(case.request(case.amount_cents));
            if case.kind == Kind::Conflict {
                requests.push(case.request(case.amount_cents + 1));
            } else if case.kind == Kind::Duplicate {
                requests.push(case.request(case.amount_cents));
            }
        }
        requests
    }

    /// The configuration: the three accounts, and a pace that suits a demo.
    pub(super) fn config(sandbox: &Running, folder: &Path) -> String {
        let mut text = format!(
            "# Written by `refundd demo`: three accounts on the gateway sandbox, at the pace of a demo.\n\
             [redis]\ndata_dir = {data_dir:?}\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n\
             [worker]\nconcurrency = 64\nlease_ms = 4000\nshutdown_ms = 2000\n\n\
             [gateways.iotpay]\nprotocol = \"iotpay\"\nbase_url = \"{iotpay}\"\n\
             merchant_id = \"{iotpay_id}\"\nlogin_name = \"demo\"\nkey_env = \"IOTPAY_KEY\"\n\
             connect_timeout_ms = 500\ntimeout_ms = {TIMEOUT_MS}\n\
             # The sandbox means it: its 3 is a failure. See config/default.toml.\n\
             status_map = {{ 0 = \"processing\", 1 = \"processing\", 2 = \"success\", 3 = \"failed\" }}\n\n\
             [gateways.ionlinepay]\nprotocol = \"ionlinepay\"\nbase_url = \"{ionlinepay}\"\n\
             merchant_id = \"{ionlinepay_id}\"\nkey_env = \"IONLINEPAY_KEY\"\n\
             connect_timeout_ms = 500\ntimeout_ms = {TIMEOUT_MS}\n",
            data_dir = folder.display().to_string(),
            iotpay = sandbox.base_url(),
            iotpay_id = sandbox.sandbox().settings().iotpay.merchant_id,
            ionlinepay = sandbox.ionlinepay_url(),
            ionlinepay_id = sandbox.sandbox().settings().ionlinepay.merchant_id,
        );
        let gateways =
            [("iotpay", "iotpay"), ("ionlinepay", "ionlinepay"), ("iotpay", "ionlinepay")];
        for ((name, currency), (submit, query)) in ACCOUNTS.into_iter().zip(gateways) {
            text.push_str(&account(name, currency, submit, query));
        }
        text
    }
}

fn account(name: &str, currency: &str, submit: &str, query: &str) -> String {
    format!(
        "\n[accounts.{name}]\ncurrency = \"{currency}\"\nclient_ip = \"203.0.113.7\"\n\
         submit = \"{submit}\"\nquery = \"{query}\"\nduplicate_refund_no = \"rejects\"\n\
         order_gap_ms = 300\n\
         poll = {{ initial_ms = 200, multiplier = 1.5, max_ms = 1000, jitter = 0.2, horizon_ms = 600000 }}\n\
         unknown = {{ first_query_ms = 300, not_found_min = 3, visibility_ms = 2000, resubmits_max = 2 }}\n"
    )
}

/// The keys of the sandbox, as an environment would hold them.
pub(super) fn keys(sandbox: &Running) -> Environment {
    let settings = sandbox.sandbox().settings();
    [
        ("IOTPAY_KEY".to_owned(), settings.iotpay.key.clone()),
        ("IONLINEPAY_KEY".to_owned(), settings.ionlinepay.key.clone()),
    ]
    .into_iter()
    .collect()
}

fn case(i: u32) -> Case {
    let (kind, place) = Kind::of(i);
    // Three partial refunds share an order, so each forty refunds have two such orders.
    let (order_no, turn) = if kind == Kind::Partial {
        let order = i / 40 * 2 + place / 3;
        (format!("O-part-{order:04}"), order)
    } else {
        (format!("O-{i:04}"), i / 40 + i)
    };
    // Three of the usual amounts together stay below what was paid.
    let usual = 500 + u64::from(i) * 37 % 2_500;
    let (account, currency) = ACCOUNTS[usize::try_from(turn).unwrap_or(0) % ACCOUNTS.len()];
    Case {
        refund_no: format!("R{i:04}-{}", kind.ending()),
        kind,
        account,
        currency,
        amount_cents: if kind == Kind::OverRefund { PAID_CENTS + 1 } else { usual },
        order_no,
    }
}

/// One call in ten is disturbed: submits and queries alike.
fn random_faults() -> Vec<Rule> {
    let faults = [
        Fault::ResetAfter,
        Fault::ResetBefore,
        Fault::Http { status: 500, processed: true },
        Fault::Http { status: 503, processed: false },
        Fault::Html,
        Fault::Truncated,
        Fault::BreakOff,
        Fault::BadSignature,
        Fault::TooFrequent { retry_after_s: 1 },
        Fault::EmptyBody,
    ];
    let rule = |fault| {
        let mut rule = Rule::new(On::Both, fault);
        rule.per_mille = 10;
        rule
    };
    faults.into_iter().map(rule).collect()
}
