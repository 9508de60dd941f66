//! Progress bars for long work; hidden where nobody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;

/// A bar of `total` steps that says what is being done.
pub(super) fn bar(output: Output, total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what);
    if !output.shows_progress() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{msg:<12} {bar:30} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar
}
