//! The chart of a day, as SVG that is drawn here: what settled, what failed, how old the oldest was.

use std::fmt::Write;

use maud::{Markup, html};

use super::quantile::ended_as;
use super::words::{count, minute, span};
use crate::domain::UnixMillis;
use crate::domain::state::{Outcome, StateKind};
use crate::ports::figures::{Ended, Figures, Sample};

/// How much time the chart shows, ms.
pub(super) const DAY_MS: u64 = 86_400_000;

/// How many samples it asks for: one a quarter of an hour.
pub(super) const SAMPLES: u32 = 96;

/// Inner measures, in units of the drawing.
const WIDTH: u64 = 960;
const BARS: u64 = 100;
const LINE: u64 = 70;
const BAR: u64 = 8;
const LEFT: u64 = 4;

/// What one bar shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// When it ended.
    pub(super) at: UnixMillis,
    /// Refunds that succeeded in it.
    pub(super) settled: u64,
    /// Refunds that failed in it.
    pub(super) failed: u64,
    /// How old the oldest refund was at its end, ms.
    pub(super) oldest_ms: u64,
}

/// What is known of one moment.
#[derive(Clone, Copy)]
struct Mark<'a> {
    at: UnixMillis,
    oldest_at: Option<UnixMillis>,
    ended: &'a [Ended],
}

impl<'a> Mark<'a> {
    fn of(sample: &'a Sample) -> Self {
        Self { at: sample.at, oldest_at: sample.oldest_at, ended: &sample.ended }
    }
}

/// What happened between each sample and the one before, and since the last one.
pub(super) fn slots(history: &[Sample], figures: &Figures) -> Vec<Slot> {
    let running = figures.oldest.iter().filter(|(state, _)| *state != StateKind::Parked);
    let oldest_at = running.map(|(_, at)| *at).min();
    let current = Mark { at: figures.at, oldest_at, ended: &figures.ended };
    let mut marks: Vec<_> = history.iter().map(Mark::of).collect();
    if marks.last().is_some_and(|last| last.at < current.at) {
        marks.push(current);
    }
    let of = |pair: &[Mark<'_>], outcome| {
        let ended = |at: usize| pair.get(at).map_or(0, |one| ended_as(one.ended, outcome));
        ended(1).saturating_sub(ended(0))
    };
    let slot = |pair: &[Mark<'_>]| {
        let last = pair.last()?;
        Some(Slot {
            at: last.at,
            settled: of(pair, Outcome::Succeeded),
            failed: of(pair, Outcome::Failed),
            oldest_ms: last.oldest_at.map_or(0, |oldest| last.at.since(oldest)),
        })
    };
    marks.windows(2).filter_map(slot).collect()
}

/// The chart, and the same as a table.
pub(super) fn chart(history: &[Sample], figures: &Figures, now: UnixMillis, slo_ms: u64) -> Markup {
    let slots = slots(history, figures);
    let (Some(first), false) = (history.first(), slots.is_empty()) else {
        return html! { p.quiet { "The chart begins with the first sample, at most a minute after the first start." } };
    };
    let settled: u64 = slots.iter().map(|slot| slot.settled).sum();
    let failed: u64 = slots.iter().map(|slot| slot.failed).sum();
    let oldest = slots.iter().map(|slot| slot.oldest_ms).max().unwrap_or(0);
    let told = format!(
        "In the last {} {} succeeded and {} failed; the oldest unsettled refund was at most {} old.",
        span(now.since(first.at)),
        count(settled),
        count(failed),
        span(oldest)
    );
    html! {
        figure.chart {
            (drawing(&slots, now, slo_ms, &told))
            figcaption {
                span.key.settled { "succeeded" } " " span.key.failed { "failed" } " "
                span.key.oldest { "age of the oldest unsettled" } " "
                span.key.slo { "its limit, " (span(slo_ms)) ", which does not hold at a gateway" }
                (told)
            }
        }
        details #chart-table {
            summary { "The chart as a table" }
            (table(&slots))
        }
    }
}

fn drawing(slots: &[Slot], now: UnixMillis, slo_ms: u64, told: &str) -> Markup {
    let most = slots.iter().map(|slot| slot.settled + slot.failed).max().unwrap_or(0).max(1);
    let oldest = slots.iter().map(|slot| slot.oldest_ms).max().unwrap_or(0);
    let oldest = oldest.max(slo_ms * 5 / 4).max(1);
    let begin = now.minus(DAY_MS);
    let slo_y = LINE - scaled(slo_ms, oldest, LINE);
    html! {
        // Text stays outside: the drawing is as wide as the page, and would stretch it.
        p.scale { (count(most)) " in the highest bar" }
        (frame(BARS, told, &html! {
            @for slot in slots {
                @let x = place(slot.at, begin);
                @let down = scaled(slot.failed, most, BARS);
                @let up = scaled(slot.settled, most, BARS).min(BARS - down);
                @if up > 0 { rect.settled x=(x) y=(BARS - up) width=(BAR) height=(up) {} }
                @if down > 0 { rect.failed x=(x) y=(BARS - up - down) width=(BAR) height=(down) {} }
            }
        }))
        p.scale { (span(oldest)) }
        (frame(LINE, "", &html! {
            line.slo x1=(LEFT) x2=(WIDTH + LEFT) y1=(slo_y) y2=(slo_y) {}
            polyline.oldest points=(points(slots, begin, oldest)) {}
        }))
        div.hours aria-hidden="true" {
            @for quarter in 0..=4_u64 { span { (minute(begin.plus(quarter * DAY_MS / 4))) } }
        }
    }
}

/// A drawing of that height over its axis; without a name it adds nothing for those who cannot see it.
fn frame(height: u64, name: &str, content: &Markup) -> Markup {
    let named = !name.is_empty();
    html! {
        svg viewBox=(format!("0 0 {} {}", WIDTH + 2 * LEFT, height + 1)) preserveAspectRatio="none"
            role=[named.then_some("img")] aria-label=[named.then_some(name)] aria-hidden=[(!named).then_some("true")] {
            (content)
            line.axis x1=(LEFT) x2=(WIDTH + LEFT) y1=(height) y2=(height) {}
        }
    }
}

/// Where a moment stands from the left; the bar ends there.
fn place(at: UnixMillis, begin: UnixMillis) -> u64 {
    let right = scaled(at.since(begin).min(DAY_MS), DAY_MS, WIDTH);
    LEFT + right.saturating_sub(BAR + 1)
}

/// `value` of `most` on a length; what is above zero can be seen.
fn scaled(value: u64, most: u64, length: u64) -> u64 {
    let exact = value.saturating_mul(length) / most.max(1);
    if value > 0 { exact.clamp(1, length) } else { 0 }
}

fn points(slots: &[Slot], begin: UnixMillis, oldest: u64) -> String {
    let mut points = String::new();
    for slot in slots {
        let y = LINE - scaled(slot.oldest_ms, oldest, LINE);
        // Writing to a string does not fail.
        let _ = write!(points, "{},{y} ", place(slot.at, begin) + BAR);
    }
    points
}

fn table(slots: &[Slot]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="The chart as a table" {
            table {
                caption { "What succeeded and failed, newest first. All times are UTC." }
                thead { tr { th scope="col" { "Until" } th.num scope="col" { "Succeeded" }
                    th.num scope="col" { "Failed" } th.num scope="col" { "Oldest unsettled" } } }
                tbody {
                    @for slot in slots.iter().rev() {
                        tr { th scope="row" { (minute(slot.at)) } td.num { (count(slot.settled)) }
                            td.num { (count(slot.failed)) } td.num { (span(slot.oldest_ms)) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::figures::SETTLE_BOUNDS_MS;
    use crate::ports::ledger::Counts;

    fn sample(minutes: i64, succeeded: u64, failed: u64) -> Sample {
        let ended = |outcome, count| {
            let mut took = [0; SETTLE_BOUNDS_MS.len() + 1];
            took[3] = count;
            Ended { outcome, took }
        };
        Sample {
            at: UnixMillis::new(minutes * 60_000),
            unsettled: 0,
            parked: 0,
            unconfirmed: 0,
            overdue: 0,
            backlog: 0,
            oldest_at: Some(UnixMillis::new(0)),
            ended: vec![ended(Outcome::Succeeded, succeeded), ended(Outcome::Failed, failed)],
        }
    }

    fn figures(minutes: i64, succeeded: u64, failed: u64) -> Figures {
        let Sample { at, ended, oldest_at, .. } = sample(minutes, succeeded, failed);
        Figures {
            at,
            counts: Counts::default(),
            levels: Vec::new(),
            oldest: oldest_at.map(|at| (StateKind::Requested, at)).into_iter().collect(),
            ended,
            oldest_request: None,
            groups: Vec::new(),
            losses: 0,
            lost_at: None,
        }
    }

    #[test]
    fn a_bar_is_what_ended_since_the_sample_before() {
        let history = [sample(0, 10, 0), sample(15, 30, 1), sample(30, 5, 1)];
        let slots = slots(&history, &figures(34, 9, 2));
        let told: Vec<_> = slots.iter().map(|slot| (slot.settled, slot.failed)).collect();
        assert_eq!(told, [(20, 1), (0, 0), (4, 1)], "a count that went back is none");
        assert_eq!(slots[2].at, UnixMillis::new(34 * 60_000), "the last bar ends now");
        assert_eq!(slots[1].oldest_ms, 30 * 60_000);
    }

    #[test]
    fn a_chart_begins_with_the_first_sample_and_stays_inside_its_frame() {
        let now = UnixMillis::new(1_440 * 60_000);
        let none = chart(&[], &figures(1_440, 9_216, 7), now, 900_000).into_string();
        assert!(!none.contains("<svg") && none.contains("first sample"), "{none}");
        let young = chart(&[sample(1_437, 1, 0)], &figures(1_440, 6, 2), now, 900_000);
        let young = young.into_string();
        assert!(young.contains("In the last 3 min 5 succeeded and 2 failed"), "{young}");
        assert!(young.contains("<svg") && !young.contains("quarter of an hour"), "{young}");
        let history: Vec<_> =
            (0..=96).map(|n| sample(n * 15, u64::try_from(n * n).unwrap(), 7)).collect();
        let drawn = chart(&history, &figures(1_440, 9_216, 7), now, 900_000).into_string();
        assert!(drawn.contains("<svg") && !drawn.contains("style="), "{drawn}");
        for name in [" x=\"", " y=\"", "height=\""] {
            for found in drawn.split(name).skip(1) {
                let value: u64 = found.split('"').next().unwrap().parse().unwrap();
                assert!(value <= WIDTH + 2 * LEFT, "{name}{value}");
            }
        }
        assert!(drawn.contains("9\u{202f}216 succeeded and 0 failed"), "{drawn}");
    }
}
