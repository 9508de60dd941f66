//! For tests only: files that are generated from code and kept in the repository.

/// Compares the file with what the code generates now. With `REFUNDD_REGENERATE` set in the
/// environment it writes the file instead.
///
/// # Panics
/// If the file is stale or missing, with the command that writes it.
pub(crate) fn check(path: &str, fresh: &str) {
    let full = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting")]
    let regenerate = std::env::var_os("REFUNDD_REGENERATE").is_some();
    if regenerate {
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(&full, fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&full).unwrap_or_default();
    assert!(
        kept == fresh,
        "{path} is stale, write it anew with: REFUNDD_REGENERATE=1 cargo test --lib fresh"
    );
}
