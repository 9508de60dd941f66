# examples/roundtrip.py
# Usage: python3 roundtrip.py [REDIS_URL] [REFUND_NO]     needs: pip install redis
import json, os, sqlite3, sys, time
import redis

REQUESTS, RESULTS, GROUP, ME = "{refunds}:requests", "{refunds}:results", "shop-py", "consumer-1"
url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
refund_no = sys.argv[2] if len(sys.argv) > 2 else f"R{time.time_ns() // 1000}"  # in real life: stored before the push
request = {"v": 1, "refund_no": refund_no, "account": "shop-ca", "amount_cents": 1250, "currency": "CAD",
           "order": {"gateway_order_no": f"P-{refund_no}", "paid_cents": 5000}, "reason": "returned goods"}

r = redis.Redis.from_url(url, decode_responses=True)  # redis://, rediss:// or unix:///path/redis.sock
store = sqlite3.connect(os.environ.get("RESULTS_DB", ":memory:"))  # your own database in real life
store.execute("CREATE TABLE IF NOT EXISTS results (event_id TEXT PRIMARY KEY, result TEXT)")
try:
    r.xgroup_create(RESULTS, GROUP, id="0", mkstream=True)
except redis.ResponseError as err:
    if "BUSYGROUP" not in str(err):  # the group is there already
        raise
r.xadd(REQUESTS, {"request": json.dumps(request)})  # no answer? push the same again, it is harmless

after, deadline = "0", time.monotonic() + 60  # "0": what this consumer read and did not acknowledge
while time.monotonic() < deadline:
    reply = r.xreadgroup(GROUP, ME, {RESULTS: after}, count=100, block=1000) or []
    parts = [e for [e] in reply.values()] if isinstance(reply, dict) else [e for _, e in reply]  # RESP3 or 2
    entries = [entry for part in parts for entry in part]
    after = after if entries else ">"
    for entry_id, fields in entries:
        with store:  # the effect of a result and its event_id belong in one transaction
            row = (fields["event_id"], fields["result"])
            new = store.execute("INSERT OR IGNORE INTO results VALUES (?, ?)", row).rowcount == 1
        r.xack(RESULTS, GROUP, entry_id)  # only after it is stored
        if new and fields["refund_no"] == refund_no:
            print(fields["result"])
            sys.exit(0 if fields["outcome"] == "succeeded" else 1)
sys.exit("no result within 60 s; the refund goes on all the same")
