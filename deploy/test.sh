#!/bin/sh
# Every test of refundd. Installs what they need; starts its own servers; touches loopback only.
# With CI=true warnings are errors. Arguments go to the test runner as name filters.
set -eu
cd "$(dirname "$0")/.."
. deploy/lib.sh

need_cargo
need_cc
need_redis
need python3 python3
need_promtool
if ! command -v redis-cli >/dev/null 2>&1; then install redis-tools; fi
need_redis_py
need_schemathesis
need_browser

if [ "${CI:-}" = true ]; then
  RUSTFLAGS="${RUSTFLAGS:-} -D warnings"
  export RUSTFLAGS
fi

if cargo fmt --version >/dev/null 2>&1; then
  say "formatting"
  cargo fmt --check
fi
if cargo clippy --version >/dev/null 2>&1; then
  say "lints"
  cargo clippy --locked --all-targets --features bench --quiet
fi
say "tests"
# Many tests run the real binary; doctests come after them, and the proofs last: they say what they tried.
if [ $# -gt 0 ]; then
  exec cargo test --locked --lib --bins --tests -- "$@"
fi
cargo test --locked --lib --bins --tests -- --skip proofs:: --skip fuzz_tests --skip browser:: --skip ops::fuzzed
say "the HTTP interface against its own document"
cargo test --locked --test it ops::fuzzed
say "the dashboard in a real browser; what it looks like is in target/screenshots"
cargo test --locked --test it browser::
cargo test --locked --doc
deploy/prove.sh --short
