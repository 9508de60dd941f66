//! What is wrong, worst first: what a person must see in two seconds, and what to do about it.

use super::board::View;
use super::traffic::{Traffic, is_alive, traffic};
use super::words::{Sum, counted, span};
use crate::domain::UnixMillis;
use crate::domain::state::StateKind;
use crate::ops::Parts;
use crate::ports::figures::{Figures, GONE_MS, Report};

/// How old a refund may become that no gateway is known to hold, ms: six hours, as in the alerts
/// (`deploy/prometheus/`). What a gateway holds may take days, and what is parked waits for a person.
pub(super) const SETTLE_SLO_MS: u64 = 21_600_000;

/// A request that was not taken in for longer is worth a look, ms.
const INTAKE_SLO_MS: u64 = 60_000;

/// A consumer that has left a result for longer is worth a look, ms: 15 minutes.
const CONSUMER_SLO_MS: u64 = 900_000;

/// How long a possible loss of writes stays on the banner, ms: an hour, as in the alerts.
const LOSS_SHOWN_MS: u64 = 3_600_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Money does not move, or nobody knows.
    Bad,
    /// A person should look.
    Look,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// How bad.
    pub(super) severity: Severity,
    /// In two or three words, for the title of the tab.
    pub(super) short: String,
    /// What.
    pub(super) text: String,
    /// What to do.
    pub(super) advice: &'static str,
    /// Where to look.
    pub(super) link: Option<String>,
}

impl Finding {
    fn new(
        severity: Severity,
        short: impl Into<String>,
        text: impl Into<String>,
        advice: &'static str,
        link: Option<&str>,
    ) -> Self {
        let link = link.map(str::to_owned);
        Self { severity, short: short.into(), text: text.into(), advice, link }
    }
}

/// Everything that is wrong, worst first.
pub(super) fn findings(view: &View, parts: &Parts, now: UnixMillis) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(trouble) = view.trouble {
        let advice = "No refund is lost or paid twice by this. Nothing is submitted until Redis is back: look at \
                      Redis, then run refundd doctor.";
        found.push(Finding::new(Severity::Bad, "Redis away", trouble, advice, None));
    }
    if let Some(last) = &view.last {
        let now = view.as_of(now);
        gateways(&traffic(&last.reports, &parts.accounts, now), &mut found);
        workers(&last.reports, now, &mut found);
        refunds(&last.figures, now, &mut found);
        consumers(&last.figures, now, &mut found);
        losses(&last.figures, now, &mut found);
        if !last.pauses.is_empty() {
            let text = format!(
                "{} in force: submits wait, queries go on",
                counted(count_of(last.pauses.len()), "pause")
            );
            let advice = "Resume when the reason is gone.";
            found.push(Finding::new(Severity::Look, "paused", text, advice, Some("/pause")));
        }
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

fn count_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn gateways(all: &std::collections::BTreeMap<String, Traffic>, found: &mut Vec<Finding>) {
    for (name, traffic) in all {
        if let Some(alarm) = traffic.alarm() {
            let advice = "refundd tries again by itself and sends nothing twice. Ask the gateway; pause its accounts \
                          if it is known to be down for long.";
            let text = format!("Gateway {name} {alarm}");
            found.push(Finding::new(
                Severity::Bad,
                format!("{name} unreachable"),
                text,
                advice,
                Some("#gateways"),
            ));
        }
    }
}

fn workers(reports: &[Report], now: UnixMillis, found: &mut Vec<Finding>) {
    if !reports.iter().any(|report| is_alive(report, now)) {
        let text = format!("No worker has been heard of for {}", span(GONE_MS));
        let advice = "Nobody submits or asks. See whether refundd runs, and what its log says.";
        found.push(Finding::new(Severity::Bad, "no worker", text, advice, Some("#backlog")));
    }
}

/// When the oldest refund was admitted that has not ended, is not parked, and that no gateway is known
/// to hold.
pub(super) fn oldest(figures: &Figures) -> Option<(StateKind, UnixMillis)> {
    let is_ours = |state| !matches!(state, StateKind::Parked | StateKind::Processing);
    let running = figures.oldest.iter().filter(|(state, _)| is_ours(*state));
    running.copied().min_by_key(|(_, at)| *at)
}

/// When the oldest refund of one state was admitted.
pub(super) fn oldest_of(figures: &Figures, state: StateKind) -> Option<UnixMillis> {
    figures.oldest.iter().find(|(of, _)| *of == state).map(|(_, at)| *at)
}

/// The list of a state, which begins with its oldest refund.
pub(super) fn list_of(state: StateKind) -> String {
    format!("/refunds?state={}", state.as_str())
}

/// How much is in one state.
pub(super) fn in_state(figures: &Figures, state: StateKind) -> Sum {
    let mut sum = Sum::default();
    for level in figures.levels.iter().filter(|level| level.bin.state == state) {
        sum.add(level.refunds, level.bin.currency, level.amount_cents);
    }
    sum
}

fn refunds(figures: &Figures, now: UnixMillis, found: &mut Vec<Finding>) {
    if let Some((state, at)) = oldest(figures).filter(|(_, at)| now.since(*at) > SETTLE_SLO_MS) {
        let age = span(now.since(at));
        let text = format!(
            "The oldest refund that no gateway is known to hold is {age} old ({})",
            state.as_str()
        );
        let advice = "Above the limit of 6 h. A not_before, a pause or an earlier refund of its order explains much: \
                      look at the oldest.";
        let link = list_of(state);
        let short = format!("oldest {age}");
        found.push(Finding::new(Severity::Look, short, text, advice, Some(&link)));
    }
    let parked = in_state(figures, StateKind::Parked);
    if parked.refunds > 0 {
        let text = format!("{} parked: {}", counted(parked.refunds, "refund"), parked.money());
        let advice = "Each waits for a person to decide; its amount stays reserved.";
        let short = format!("{} parked", parked.refunds);
        found.push(Finding::new(Severity::Look, short, text, advice, Some("#attention")));
    }
    if figures.counts.overdue > 0 {
        let text = format!("{} overdue", counted(figures.counts.overdue, "step"));
        let advice = "Workers are too few or too slow, or a gateway is. See backlog and workers.";
        let short = format!("{} overdue", figures.counts.overdue);
        found.push(Finding::new(Severity::Look, short, text, advice, Some("#backlog")));
    }
    if let Some(at) = figures.oldest_request.filter(|at| now.since(*at) > INTAKE_SLO_MS) {
        let text = format!("A request has waited {} to be taken in", span(now.since(at)));
        let advice = "The intake does not keep up or does not run: see the log of refundd.";
        found.push(Finding::new(Severity::Look, "intake lags", text, advice, Some("#backlog")));
    }
}

fn consumers(figures: &Figures, now: UnixMillis, found: &mut Vec<Finding>) {
    for group in &figures.groups {
        let Some(at) = group.oldest_at.filter(|at| now.since(*at) > CONSUMER_SLO_MS) else {
            continue;
        };
        let text = format!(
            "Consumer group {} has left a result unread or unacknowledged for {}",
            group.name,
            span(now.since(at))
        );
        let advice = "The program that reads it does not know how these refunds ended: see whether it runs. Nothing \
                      that it has not read is trimmed.";
        found.push(Finding::new(Severity::Look, "results unread", text, advice, Some("#backlog")));
    }
}

fn losses(figures: &Figures, now: UnixMillis, found: &mut Vec<Finding>) {
    let recent = figures.lost_at.filter(|at| now.since(*at) <= LOSS_SHOWN_MS);
    if let Some(at) = recent {
        let text = format!(
            "Redis was restarted or replaced {} ago and may have lost writes",
            span(now.since(at))
        );
        let advice = "Whatever seems unsent is asked about before it is sent, so nothing is paid twice. After a clean \
                      restart there is nothing to do; after a failover or a restored copy have producers push again, \
                      under the same numbers.";
        found.push(Finding::new(Severity::Look, "Redis restarted", text, advice, Some("#safety")));
    }
}

/// The title of the tab: a symbol, the worst in short, the name.
pub(super) fn title(findings: &[Finding]) -> String {
    match findings.first() {
        None => "✓ refundd".to_owned(),
        Some(worst) => {
            let symbol = match worst.severity {
                Severity::Bad => '▲',
                Severity::Look => '●',
            };
            format!("{symbol} {} – refundd", worst.short)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_tells_the_worst_with_a_symbol_and_words() {
        assert_eq!(title(&[]), "✓ refundd");
        let found = |severity, short: &str| Finding::new(severity, short, "", "", None);
        assert_eq!(title(&[found(Severity::Look, "3 parked")]), "● 3 parked – refundd");
        assert_eq!(title(&[found(Severity::Bad, "Redis away")]), "▲ Redis away – refundd");
        assert!(Severity::Bad < Severity::Look, "sorted, the worst comes first");
    }
}
