-- Stores what a person decided about a refund, with its audit line, if the refund still is what they
-- saw. A worker that is asking the gateway about it loses its lease.
--
-- KEYS[1] due        zset, refund number by Unix ms; +inf while it waits for its order
-- KEYS[2] states     hash, refund number -> where it stands
-- KEYS[3] leases     hash, refund number -> fence mark crashes since word; mark q: no submit under way
-- KEYS[4] orders     hash, order id -> account of the order, see order.lua
-- KEYS[5] settled    zset, refund number by Unix ms of its settlement
-- KEYS[6] results    stream
-- KEYS[7] audit      stream
-- KEYS[8] seq        counter, raised by every write
-- KEYS[9] epoch      hash: run_id of the Redis that wrote last, lost_at Unix ms; see epoch.lua
-- KEYS[10] overdrawn set, ids of orders that hold more than was paid
-- KEYS[11..]         what bins.lua keeps
-- ARGV[1] now        Unix ms
-- ARGV[2] audit_max  entries the audit stream keeps, about
-- ARGV[3] channel    where sleeping workers listen
-- ARGV[4] refund_no  the refund
-- ARGV[5] seen       its state as the person saw it
-- ARGV[6] lost_at    loss of writes that was recorded when they saw it, Unix ms, or '' for none
-- ARGV[7] step       MessagePack: {names of bins, {step}} as in commit.lua; number and lease of the step are ''
-- ARGV[8..]          fields and values of the audit line
-- Returns            1 stored, 0 it has changed since, or a loss was recorded since, 2 a worker is
--                    submitting it, 3 this is not the Redis that wrote last: it may have lost writes
-- Reads first        the run of Redis, state, lease, due time and order, and the type of every key
-- Repeat             it has changed since: nothing is written
local no, due = ARGV[4], {}
local epoch = redis.call('HMGET', KEYS[9], 'run_id', 'lost_at')
if epoch[1] ~= Lease.run() then return 3 end
local lease = redis.call('HGET', KEYS[3], no)
if lease and string.match(lease, '^%d+ (%a) ') ~= 'q' then return 2 end
if redis.call('HGET', KEYS[2], no) ~= ARGV[5] or (epoch[2] or '') ~= ARGV[6] then return 0 end
local waits = redis.call('ZSCORE', KEYS[1], no) == 'inf'
local names, steps = unpack(cmsgpack.unpack(ARGV[7]))
local step = steps[1]
local due_at, result, order, move = step[4], step[5], step[6], step[7]
Orders.load(KEYS[4], KEYS[10], order and { order[1], order[2] } or {})
Bins.name(names)
-- The turn of a refund that waits is its order's to give.
if due_at and not waits then due = { due_at, no } end
if order then Orders.finish(order, no, due) end
if move then Bins.move(no, unpack(move)) end
if step[8] then Bins.find(step[8], no) end
local line = {}
for i = 8, #ARGV do line[i - 7] = ARGV[i] end

-- An error after a write would leave the write: whatever may fail for a key's type fails here.
redis.call('ZCARD', KEYS[5])
for k = 6, 7 do redis.call('XLEN', KEYS[k]) end
-- Out of memory, Redis refuses a script's first write unless it frees some: settling must go on.
redis.call('HDEL', KEYS[3], '')
redis.call('INCR', KEYS[8])
redis.call('HDEL', KEYS[3], no)
redis.call('HSET', KEYS[2], no, step[3])
Orders.store()
if not due_at then
  redis.call('ZREM', KEYS[1], no)
  redis.call('ZADD', KEYS[5], ARGV[1], no)
else
  redis.call('ZREM', KEYS[5], no)
end
local wake = false
if #due > 0 then redis.call('ZADD', KEYS[1], unpack(due)) end
for i = 1, #due, 2 do wake = wake or tonumber(due[i]) <= tonumber(ARGV[1]) end
if result then
  redis.call('XADD', KEYS[6], '*', 'event_id', result[1], 'refund_no', no, 'outcome', result[2], 'result', result[3])
end
redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[2], '*', unpack(line))
if wake then redis.call('PUBLISH', ARGV[3], '1') end
Bins.store({ unpack(KEYS, 11) })
return 1
