//! The table of pages, and who may ask for what.

use super::*;

#[test]
fn every_page_stands_in_the_table_once() {
    for entry in PAGES {
        let same = |other: &&Entry| other.path == entry.path && other.method == entry.method;
        assert_eq!(PAGES.iter().filter(same).count(), 1, "{} {}", entry.method, entry.path);
    }
}

#[test]
fn whatever_changes_something_needs_a_role_that_may() {
    for entry in PAGES.iter().filter(|entry| entry.method != "GET") {
        let expected = match entry.path {
            "/login" => Access::Open,
            "/logout" => Access::Role(Role::Read),
            _ => Access::Role(Role::Operate),
        };
        assert_eq!(entry.access, expected, "{}", entry.path);
    }
}

#[test]
fn only_what_tells_nothing_is_open() {
    let open = PAGES.iter().filter(|entry| entry.access == Access::Open).map(|entry| entry.path);
    let expected = ["/login", "/login", "/assets/style.css", "/assets/live.js"];
    assert_eq!(open.collect::<Vec<_>>(), expected);
}
