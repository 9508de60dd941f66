//! The gateways, the backlog, the workers, and who reads the results.

use maud::{Markup, html};

use super::board::Reading;
use super::traffic::{Traffic, is_alive, traffic};
use super::words::{count, counted, distance, span};
use crate::domain::UnixMillis;
use crate::ops::Parts;
use crate::ports::figures::{ResultsGroup, TRAFFIC_MS};
use crate::ports::ops::OVERDUE_MS;

/// Codes of a gateway that are shown at once.
const CODES: usize = 6;

/// How each gateway does.
pub(super) fn gateways(last: &Reading, parts: &Parts, now: UnixMillis) -> Markup {
    let all = traffic(&last.reports, &parts.accounts, now);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Gateways" {
            table.cards {
                caption { "Calls of the last " (span(TRAFFIC_MS)) ", all workers together." }
                thead { tr {
                    th scope="col" { "Gateway" } th scope="col" { "State" } th.num scope="col" { "Submits" }
                    th.num scope="col" { "Queries" } th.num scope="col" { "Errors" }
                    th.num scope="col" { "Put off by limits" } th scope="col" { "Codes" }
                } }
                tbody { @for (name, one) in &all { (gateway(name, one)) } }
            }
        }
    }
}

fn gateway(name: &str, traffic: &Traffic) -> Markup {
    let share = traffic.error_per_mille().map(|share| format!("{}.{} %", share / 10, share % 10));
    html! {
        tr {
            th scope="row" { (name) }
            td data-label="State" {
                @if traffic.open > 0 {
                    strong.bad { "▲ breaker open" } " (" (traffic.open) " of " (counted(traffic.processes, "worker")) ")"
                } @else if traffic.is_silent() { strong.bad { "▲ no answer" } }
                @else if traffic.alarm().is_some() { strong.bad { "▲ failing" } }
                @else if traffic.calls() == 0 { span.quiet { "○ no calls" } }
                @else if let Some(share) = share.as_ref().filter(|_| traffic.errors > 0) {
                    strong.look { "● " (share) " errors" }
                } @else { span.good { "✓ answers" } }
            }
            td.num data-label="Submits" { (count(traffic.submits)) }
            td.num data-label="Queries" { (count(traffic.queries)) }
            td.num data-label="Errors" { (count(traffic.errors)) @if let Some(share) = share { " (" (share) ")" } }
            td.num data-label="Put off" { (count(traffic.put_off)) }
            td data-label="Codes" {
                @if traffic.codes.is_empty() { span.quiet { "–" } }
                @for (code, times) in traffic.codes.iter().take(CODES) {
                    span.code { (code) " × " (count(*times)) } " "
                }
                @if traffic.codes.len() > CODES { span.quiet { "and " (traffic.codes.len() - CODES) " more" } }
            }
        }
    }
}

/// What waits, who works, who reads.
pub(super) fn backlog(last: &Reading, now: UnixMillis) -> Markup {
    let (figures, counts) = (&last.figures, &last.figures.counts);
    html! {
        dl.row {
            div { dt { "Due now" } dd { (count(counts.due)) } }
            div { dt { "Overdue by " (span(OVERDUE_MS)) } dd { @if counts.overdue > 0 { strong.look { "● " (count(counts.overdue)) } } @else { "0" } } }
            div { dt { @if counts.oldest_due.is_some_and(|at| at <= now) { "Oldest due" } @else { "Next due" } }
                dd { @match counts.oldest_due { Some(at) => (distance(at, now)), None => "–" } } }
            div { dt { "Held by workers" } dd { (count(counts.leased)) } }
            div { dt { "Wait for their order" } dd { (count(counts.waiting)) } }
            div { dt { "Requests not taken in" }
                dd { (count(counts.backlog)) @if let Some(at) = figures.oldest_request { ", oldest " (distance(at, now)) } } }
        }
        (workers(last, now))
        (groups(&figures.groups, now))
    }
}

fn workers(last: &Reading, now: UnixMillis) -> Markup {
    if last.reports.is_empty() {
        return html! { p { strong.bad { "▲ No worker has been heard of." } } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Workers" {
            table.cards {
                caption { "Workers" }
                thead { tr {
                    th scope="col" { "Worker" } th scope="col" { "State" } th scope="col" { "Version" }
                    th.num scope="col" { "Holds" } th scope="col" { "Started" } th scope="col" { "Heard of" }
                } }
                tbody {
                    @for report in &last.reports {
                        @let alive = is_alive(report, now);
                        tr class=[(!alive).then_some("old")] {
                            th scope="row" { (report.worker) }
                            td data-label="State" { @if alive { span.good { "✓ alive" } } @else { "✕ gone" } }
                            td data-label="Version" { (report.version) }
                            td.num data-label="Holds" { (count(report.holds)) }
                            td data-label="Started" { (distance(report.started_at, now)) }
                            td data-label="Heard of" { (distance(report.at, now)) }
                        }
                    }
                }
            }
        }
    }
}

fn groups(groups: &[ResultsGroup], now: UnixMillis) -> Markup {
    html! {
        @if groups.is_empty() { p.quiet { "No consumer group reads the results stream." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Consumers of results" {
                table.cards {
                    caption { "Consumer groups of the results stream" }
                    thead { tr {
                        th scope="col" { "Group" } th.num scope="col" { "Not read" }
                        th.num scope="col" { "Not acknowledged" } th scope="col" { "Oldest of both" }
                    } }
                    tbody {
                        @for group in groups {
                            tr {
                                th scope="row" { (group.name) }
                                td.num data-label="Not read" { @match group.lag { Some(lag) => (count(lag)), None => "unknown" } }
                                td.num data-label="Not acked" { (count(group.pending)) }
                                td data-label="Oldest of both" { @match group.oldest_at { Some(at) => (distance(at, now)), None => "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_answers_only_if_it_has_answered() {
        let told = |queries, errors| {
            let row = gateway("gw", &Traffic { queries, errors, ..Traffic::default() });
            let row = row.into_string();
            let state = row.split("data-label=\"State\">").nth(1).unwrap();
            state.split("</td>").next().unwrap().to_owned()
        };
        assert_eq!(told(0, 0), r#"<span class="quiet">○ no calls</span>"#);
        assert_eq!(told(5, 0), r#"<span class="good">✓ answers</span>"#);
        assert_eq!(told(1_000, 1), r#"<strong class="look">● 0.1 % errors</strong>"#);
        assert_eq!(told(8, 4), r#"<strong class="look">● 50.0 % errors</strong>"#);
        assert_eq!(told(10, 5), r#"<strong class="bad">▲ failing</strong>"#);
        for calls in [1, 2, 3, 500] {
            let row = told(calls, calls);
            assert_eq!(row, r#"<strong class="bad">▲ no answer</strong>"#, "{calls}");
        }
    }
}
