//! What is wrong, worst first: what a person must see in two seconds, and what to do about it.

use super::board::View;
use super::traffic::{Traffic, is_alive, traffic};
use super::words::{Sum, counted, span};
use crate::domain::UnixMillis;
use crate::domain::state::StateKind;
use crate::ops::Parts;
use crate::ports::figures::{Figures, GONE_MS, Report};

/// How old a refund that is not parked may become before it settles, ms: 15 minutes.
pub(super) const SETTLE_SLO_MS: u64 = 900_000;

/// A request that was not taken in for longer is worth a look, ms.
const INTAKE_SLO_MS: u64 = 60_000;

/// How long a loss of writes stays on the banner, ms: a day.
const LOSS_SHOWN_MS: u64 = 86_400_000;

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
    pub(super) link: Option<&'static str>,
}

impl Finding {
    fn new(
        severity: Severity,
        short: impl Into<String>,
        text: impl Into<String>,
        advice: &'static str,
        link: Option<&'static str>,
    ) -> Self {
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

/// When the oldest refund was admitted that has not ended and is not parked.
pub(super) fn oldest(figures: &Figures) -> Option<(StateKind, UnixMillis)> {
    let running = figures.oldest.iter().filter(|(state, _)| *state != StateKind::Parked);
    running.copied().min_by_key(|(_, at)| *at)
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
        let text = format!("The oldest unsettled refund is {age} old ({})", state.as_str());
        let advice = "Above the limit of 15 min. Card refunds may take days; others should not: look at the oldest.";
        let link = Some("/refunds?age=15m");
        found.push(Finding::new(Severity::Look, format!("oldest {age}"), text, advice, link));
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

fn losses(figures: &Figures, now: UnixMillis, found: &mut Vec<Finding>) {
    let recent = figures.lost_at.filter(|at| now.since(*at) <= LOSS_SHOWN_MS);
    if let Some(at) = recent {
        let text = format!("Redis lost writes {} ago", span(now.since(at)));
        let advice = "Refunds of that time are asked about before anything is sent. Find out why Redis lost them: \
                      appendfsync always, noeviction, no failover without the newest data.";
        found.push(Finding::new(Severity::Bad, "writes lost", text, advice, Some("#safety")));
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
