#!/usr/bin/env bash
# Runs refundd and a peer in turn, A B A B …, and prints the ratio pair by pair.
# How it is meant and what it needs: README.md beside this file.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: benches/peers/run.sh bullmq|apalis [PAIRS]

PAIRS is how often both run, 3 unless given. From the environment:
  REFUNDS      refunds of a run                                  (20000)
  POLLS        questions to the gateway for each refund          (1)
  CONCURRENCY  jobs at a time                                    (64)
  LATENCY_MS   how long the gateway waits before it answers      (0)
  SYNC         appendfsync of Redis: always, everysec or no      (always)
  REFUNDD      the program                                       (target/release/refundd)
TEXT
}

die() {
    echo "error: $1" >&2
    exit "${2:-1}"
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
case "${1:-}" in
    bullmq | apalis) peer=$1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac
pairs=${2:-3}
refunds=${REFUNDS:-20000} polls=${POLLS:-1} concurrency=${CONCURRENCY:-64}
latency=${LATENCY_MS:-0} sync=${SYNC:-always}
refundd=${REFUNDD:-$root/target/release/refundd}
for value in "$pairs" "$refunds" "$polls" "$concurrency"; do
    [[ $value =~ ^[1-9][0-9]*$ ]] || die "$value is not a whole number above 0" 2
done
[[ $latency =~ ^[0-9]+$ ]] || die "LATENCY_MS must be a whole number" 2
[[ $sync =~ ^(always|everysec|no)$ ]] || die "SYNC must be always, everysec or no" 2

# What is needed, and where it comes from.
command -v redis-server >/dev/null || die "redis-server is missing: apt-get install redis-server"
command -v redis-cli >/dev/null || die "redis-cli is missing: apt-get install redis-tools"
[[ -x $refundd ]] || die "$refundd is missing: cargo build --release --locked"
if [[ $peer == bullmq ]]; then
    command -v node >/dev/null || die "node is missing, 20.18.1 or newer: apt-get install nodejs npm"
    command -v npm >/dev/null || die "npm is missing: apt-get install npm"
    node -e 'const [a, b] = process.versions.node.split(".").map(Number);
             process.exit(a > 20 || (a === 20 && b >= 18) ? 0 : 1)' ||
        die "node $(node --version) is too old: 20.18.1 or newer is needed"
    # Not `npm ci`, which insists on optional builds for platforms that nobody here has.
    [[ -d $here/bullmq/node_modules ]] || (cd "$here/bullmq" && npm install --no-save --no-audit --no-fund >&2)
else
    command -v cargo >/dev/null || die "cargo is missing: https://rustup.rs"
    (cd "$here/apalis" && cargo build --release --locked >&2)
fi

# Only what was started here is ended, by its number.
work=$(mktemp -d)
redis_pid='' sandbox_pid=''
stop() {
    local pid
    for pid in $redis_pid $sandbox_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    redis_pid='' sandbox_pid=''
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# A new Redis in a new folder and a new sandbox for each run: nothing of the last one is left.
start() {
    local folder try
    folder=$(mktemp -d "$work/run.XXXXXX")
    for try in {1..20}; do
        port=$((20000 + RANDOM % 12000))
        redis-server --bind 127.0.0.1 --port "$port" --dir "$folder" --save '' \
            --appendonly yes --appendfsync "$sync" >"$folder/redis.log" 2>&1 &
        redis_pid=$!
        if await answers; then break; fi
        # The port was taken: redis-server has ended by itself.
        kill "$redis_pid" 2>/dev/null || true
        wait "$redis_pid" 2>/dev/null || true
        redis_pid=''
    done
    [[ -n $redis_pid ]] || die "redis-server does not start: $(tail -3 "$folder/redis.log")"

    local rules=''
    ((latency == 0)) || rules="{\"fault\":{\"answer_late\":{\"ms\":$latency}}}"
    # `refundd bench` reads back when its requests arrived; the peers' are kept, too, to be alike.
    echo "{\"arrivals\":true,\"auto_orders\":1000000,\"processing_polls\":$((polls - 1))," \
        "\"faults\":{\"rules\":[$rules]}}" >"$folder/sandbox.json"
    "$refundd" sandbox --settings "$folder/sandbox.json" >"$folder/sandbox.log" 2>&1 &
    sandbox_pid=$!
    await listens "$folder/sandbox.log" || die "the sandbox does not start: $(cat "$folder/sandbox.log")"
    export REDIS_URL="redis://127.0.0.1:$port"
    GATEWAY_URL=$(awk '$1 == "iotpay" { print $2 }' "$folder/sandbox.log")
    export GATEWAY_URL
}
# The server of this port is the one that was started here, and has loaded.
answers() {
    [[ $(redis-cli -p "$port" info server 2>/dev/null) == *"process_id:$redis_pid"* ]]
}
listens() { grep -qs '^faults ' "$1"; }
# Asks for up to 10 s whether something has become true.
await() {
    local try
    for try in {1..200}; do
        if "$@"; then return 0; fi
        kill -0 "${sandbox_pid:-$redis_pid}" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

# The rate of one run, settled refunds a second.
rate() {
    local out=$work/out.json
    start
    if [[ $1 == refundd ]]; then
        "$refundd" bench --refunds "$refunds" --polls "$polls" --concurrency "$concurrency" \
            --gateway-latency-ms "$latency" --json \
            --redis-url "$REDIS_URL" --gateway-url "$GATEWAY_URL" >"$out" || die "refundd bench failed"
    else
        export REFUNDS=$refunds POLLS=$polls CONCURRENCY=$concurrency DELAY_MS=50
        case $1 in
            bullmq) node "$here/bullmq/main.mjs" >"$out" || die "$1 failed" ;;
            apalis) "$here/apalis/target/release/refundd-peer-apalis" >"$out" || die "$1 failed" ;;
        esac
    fi
    stop
    result=$(tr -d '\n ' <"$out" | sed -n 's/.*"settled_per_s\(econd\)\{0,1\}":\([0-9.]*\).*/\2/p')
    [[ -n $result ]] || die "no rate in: $(cat "$out")"
}

echo "refundd and $peer: $refunds refunds, $polls polls, concurrency $concurrency," \
    "gateway ${latency} ms, appendfsync $sync"
printf '%-6s %12s %12s %8s\n' pair refundd/s "$peer/s" ratio
ratios=()
for ((pair = 1; pair <= pairs; pair++)); do
    rate refundd
    ours=$result
    rate "$peer"
    theirs=$result
    ratio=$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.2f", a / b }')
    ratios+=("$ratio")
    printf '%-6d %12.0f %12.0f %8s\n' "$pair" "$ours" "$theirs" "$ratio"
done
median=$(printf '%s\n' "${ratios[@]}" | sort -n |
    awk '{ v[NR] = $1 } END { print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }')
printf '%-6s %12s %12s %8s\n' median '' '' "$median"
