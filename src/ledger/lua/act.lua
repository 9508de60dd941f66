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
-- KEYS[10..]         what bins.lua keeps
-- ARGV[1] now        Unix ms
-- ARGV[2] audit_max  entries the audit stream keeps, about
-- ARGV[3] channel    where sleeping workers listen
-- ARGV[4] refund_no  the refund
-- ARGV[5] seen       its state as the person saw it
-- ARGV[6] lost_at    loss of writes that was recorded when they saw it, Unix ms, or '' for none
-- ARGV[7] state      its state from now on
-- ARGV[8] due        Unix ms, or '' if it has ended
-- ARGV[9] event_id   of the result, or '' for none
-- ARGV[10] outcome   of the result
-- ARGV[11] result    JSON
-- ARGV[12] order     order id, or '' if nothing changes for its order
-- ARGV[13] second    second order id, or ''
-- ARGV[14] freed     minor units that its order no longer holds; negative if it holds them again
-- ARGV[15] next_at   no submit of the order before this Unix ms
-- ARGV[16..]         six that Bins.move takes, then fields and values of the audit line
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
Orders.load(KEYS[4], ARGV[12] ~= '' and { ARGV[12], ARGV[13] } or {})
-- The turn of a refund that waits is its order's to give.
if ARGV[8] ~= '' and not waits then due = { ARGV[8], no } end
local order = ARGV[12] ~= '' and Orders.find(ARGV[12], ARGV[13])
if order and order.known then Orders.finish(order, no, tonumber(ARGV[14]), ARGV[15], due) end
Bins.move(no, unpack(ARGV, 16, 21))
local line = {}
for i = 22, #ARGV do line[#line + 1] = ARGV[i] end

-- An error after a write would leave the write: whatever may fail for a key's type fails here.
redis.call('ZCARD', KEYS[5])
for k = 6, 7 do redis.call('XLEN', KEYS[k]) end
-- Out of memory, Redis refuses a script's first write unless it frees some: settling must go on.
redis.call('HDEL', KEYS[3], '')
redis.call('INCR', KEYS[8])
redis.call('HDEL', KEYS[3], no)
redis.call('HSET', KEYS[2], no, ARGV[7])
Orders.store()
if ARGV[8] == '' then
  redis.call('ZREM', KEYS[1], no)
  redis.call('ZADD', KEYS[5], ARGV[1], no)
else
  redis.call('ZREM', KEYS[5], no)
end
local wake = false
if #due > 0 then redis.call('ZADD', KEYS[1], unpack(due)) end
for i = 1, #due, 2 do wake = wake or tonumber(due[i]) <= tonumber(ARGV[1]) end
if ARGV[9] ~= '' then
  redis.call('XADD', KEYS[6], '*', 'event_id', ARGV[9], 'refund_no', no, 'outcome', ARGV[10], 'result', ARGV[11])
end
redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[2], '*', unpack(line))
if wake then redis.call('PUBLISH', ARGV[3], '1') end
Bins.store({ unpack(KEYS, 10) })
return 1
