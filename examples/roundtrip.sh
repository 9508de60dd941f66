#!/bin/sh
# examples/roundtrip.sh [REDIS-CLI OPTIONS]    such as: -s refundd-data/redis.sock
set -eu
no="R$(date +%s)-sh"
redis-cli "$@" XGROUP CREATE '{refunds}:results' shop-sh 0 MKSTREAM >/dev/null 2>&1 || true # there already
redis-cli "$@" XADD '{refunds}:requests' '*' request '{"v":1,"refund_no":"'"$no"'","account":"shop-ca",
  "amount_cents":1250,"currency":"CAD","order":{"gateway_order_no":"P-'"$no"'","paid_cents":5000}}'
for _ in $(seq 60); do # one line a value: stream, id, event_id, E, refund_no, N, outcome, O, result, JSON
  entry=$(redis-cli "$@" XREADGROUP GROUP shop-sh one COUNT 1 BLOCK 1000 STREAMS '{refunds}:results' '>')
  [ "$(echo "$entry" | sed -n 6p)" = "$no" ] && echo "$entry" | sed -n '4p;8p;10,$p'
  [ -z "$entry" ] || redis-cli "$@" XACK '{refunds}:results' shop-sh "$(echo "$entry" | sed -n 2p)" >/dev/null
  [ "$(echo "$entry" | sed -n 6p)" != "$no" ] || exit 0
done
exit 1
