#!/bin/sh
# The whole of refundd on this machine, with nothing configured: installs redis-server if there is
# none, builds, and runs `refundd demo`. Arguments go to the demo: deploy/demo.sh --refunds 500
set -eu
cd "$(dirname "$0")/.."
. deploy/lib.sh

need_cargo
need_cc
need_redis
say "building refundd (the first time takes ten minutes or so on two cores)"
cargo build --release --locked
exec "${CARGO_TARGET_DIR:-target}/release/refundd" demo "$@"
