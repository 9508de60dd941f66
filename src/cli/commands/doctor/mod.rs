//! `refundd doctor`: looks at everything that refundd needs, and says what to write where.
//!
//! It changes nothing and starts nothing: an embedded Redis that does not run stays so.

mod gateways;
mod machine;
mod report;
mod server;
mod settings;
mod work;

use std::time::Duration;

use self::report::{Finding, Report};
use crate::cli::{CliError, Context, Exit};
use crate::config::{self, Settings};

/// How the report looks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each check is ok, note, warning, error, or unknown if it could not be made. Exit code 0 if all are ok \
or notes, else 1. Gateways are asked for the head of their base_url (HTTP HEAD), which moves no money; \
nothing is changed, and no embedded Redis is started.")]
pub(in crate::cli) struct Args {
    /// One JSON document instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Looks at everything and prints what was found.
pub(in crate::cli) async fn run(context: &Context) -> Result<Exit, CliError> {
    let seen = config::inspect(context.config.as_deref(), &context.environment);
    let mut findings = settings::check(&seen);
    match &seen.settings {
        Some(settings) => findings.extend(beyond(settings).await),
        None => findings.push(Finding::unknown(
            "everything else",
            "not looked at: which Redis and which gateways stands in the configuration",
        )),
    }
    let report = Report::of(findings);
    if context.output.json {
        context.output.object(&report)?;
    } else {
        context.output.line(&report.text())?;
    }
    Ok(if report.is_well() { Exit::Done } else { Exit::Failed })
}

/// What the configuration points at.
async fn beyond(settings: &Settings) -> Vec<Finding> {
    let (server, gateways, machine) = futures_util::future::join3(
        server::check(settings),
        gateways::check(settings),
        machine::check(settings),
    )
    .await;
    [server, gateways, machine].concat()
}

/// A time as people say it: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
fn spoken(time: Duration) -> String {
    let (ms, s) = (time.as_millis(), time.as_secs());
    match s {
        0 => format!("{ms} ms"),
        1..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        7_200..172_800 => format!("{} h", s / 3_600),
        _ => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        for (ms, said) in [(850, "850 ms"), (12_000, "12 s"), (180_000, "3 min")] {
            assert_eq!(spoken(Duration::from_millis(ms)), said);
        }
        assert_eq!(spoken(Duration::from_secs(18_000)), "5 h");
        assert_eq!(spoken(Duration::from_secs(200_000)), "2 d");
    }
}
