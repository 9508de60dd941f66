#!/bin/sh
# The proofs of docs/guarantees.md, and what they tried. Nothing to read here means nothing went wrong:
# each line ends with its violations, and the first violation ends the run with how to replay it.
#   deploy/prove.sh           the long form, for releases: about an hour
#   deploy/prove.sh --short   the short form, which deploy/test.sh runs
set -eu
cd "$(dirname "$0")/.."
. deploy/lib.sh

need_cargo
need_cc
need_redis

# Release builds have no crash points; with these the simulator is fast and they are there.
PROFILE=
if [ "${1:-}" = --short ]; then
  shift
else
  PROFILE="--profile prove"
  export REFUNDD_SIM_SEEDS="${REFUNDD_SIM_SEEDS:-100000}"
  export REFUNDD_FUZZ_CASES="${REFUNDD_FUZZ_CASES:-20000}"
  export REFUNDD_MODEL="${REFUNDD_MODEL:-long}"
  export REFUNDD_CHAOS_SEEDS="${REFUNDD_CHAOS_SEEDS:-1,2,3,4,5,6,7,8}"
  export REFUNDD_CHAOS_REFUNDS="${REFUNDD_CHAOS_REFUNDS:-600}"
  export REFUNDD_PAGES_REFUNDS="${REFUNDD_PAGES_REFUNDS:-100000}"
fi

log=target/prove.log
mkdir -p target

# prove NAME CARGO-ARGUMENTS FILTER : runs one proof, shows what it tried, stops at a violation.
prove() {
  name=$1
  shift
  say "proof: $name"
  # shellcheck disable=SC2086 # the profile is two words or none
  if cargo test --locked $PROFILE "$@" -- --nocapture >"$log" 2>&1; then
    grep -o 'proved: .*' "$log" || die "$name tried nothing; see $log"
  else
    tail -n 60 "$log" >&2
    die "$name found a violation; all of it is in $log"
  fi
}

prove simulator --test it proofs::simulator
prove model --test it proofs::model
prove fuzzing --test it proofs::fuzz
prove "fuzzing of what is private" --lib fuzz_tests
prove "crash sweep" --test it proofs::crash
prove chaos --test it proofs::chaos
prove drain --test it proofs::drain
prove pages --test it proofs::pages
