//! `docs/states.md`: the state machine as a page, printed from the table.

use std::fmt::Write;

use super::state::StateKind;
use super::transitions::TRANSITIONS;

/// The page.
pub fn states_page() -> String {
    let mut page = String::from(
        "# The states of a refund\n\n\
         Printed from `src/domain/transitions.rs`; a test fails when this page is stale.\n\n\
         | state | what it means, and who moves it on after a crash |\n|---|---|\n",
    );
    for state in StateKind::ALL {
        let _ = writeln!(page, "| `{}` | {} |", state.as_str(), state.meaning());
    }
    page.push_str("\n```mermaid\nstateDiagram-v2\n    [*] --> requested\n");
    for (from, event, to) in TRANSITIONS.iter().filter(|(from, _, to)| from != to) {
        let _ = writeln!(page, "    {} --> {}: {}", from.as_str(), to.as_str(), event.as_str());
    }
    page.push_str("    settled --> [*]\n```\n\n| from | event | to |\n|---|---|---|\n");
    for (from, event, to) in TRANSITIONS {
        let _ = writeln!(page, "| {} | {} | {} |", from.as_str(), event.as_str(), to.as_str());
    }
    page
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_states_page_is_fresh() {
        crate::generated::check("docs/states.md", &super::states_page());
    }
}
