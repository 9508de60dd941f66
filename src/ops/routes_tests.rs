//! The table against the router, and the gate before it.

use super::*;

#[test]
fn every_operation_has_its_own_name_and_place() {
    for operation in OPERATIONS {
        let same = |other: &&Operation| {
            other.id == operation.id
                || (other.path == operation.path && other.method == operation.method)
        };
        assert_eq!(OPERATIONS.iter().filter(same).count(), 1, "{}", operation.id);
        assert!(!operation.summary.ends_with(' ') && !operation.answers.is_empty());
    }
}

#[test]
fn whatever_changes_something_needs_a_role_that_may() {
    for operation in OPERATIONS.iter().filter(|operation| operation.method != "GET") {
        let expected = match operation.id {
            "enqueue" => Access::Role(Role::Enqueue),
            "notice" => Access::Signed,
            _ => Access::Role(Role::Operate),
        };
        assert_eq!(operation.access, expected, "{}", operation.id);
    }
}

#[test]
fn only_health_is_open() {
    let open = OPERATIONS.iter().filter(|operation| operation.access == Access::Open);
    assert_eq!(open.map(|operation| operation.id).collect::<Vec<_>>(), ["healthz", "readyz"]);
}
