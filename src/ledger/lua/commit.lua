-- Stores what became of leased refunds: state, next due time, published result, and what the end of
-- a refund means for its order. Each refund stands by itself: a stale one touches no other.
--
-- KEYS[1] due        zset, refund number by Unix ms
-- KEYS[2] states     hash, refund number -> where it stands
-- KEYS[3] leases     hash, refund number -> fence mark crashes since word
-- KEYS[4] orders     hash, order id -> account of the order, see order.lua
-- KEYS[5] settled    zset, refund number by Unix ms of its settlement
-- KEYS[6] results    stream
-- KEYS[7] stale      stream; what a stale worker knew
-- KEYS[8] seq        counter, raised by every write
-- KEYS[9..]          what bins.lua keeps
-- ARGV[1] now        Unix ms
-- ARGV[2] stale_max  entries the stale stream keeps, about
-- ARGV[3..]          seventeen for each refund: number, fence and word of the lease, state, due in Unix
--                    ms or '' if it has ended, event id or '' for no result, outcome, result, order
--                    id or '' if nothing changes for its order, second order id or '', minor units
--                    that its order no longer holds (negative: holds again), no submit of the order
--                    before this Unix ms; then what Bins.move takes
-- Returns            one integer a refund: 1 stored, 0 stale (a line in stale, nothing else)
-- Reads first        the run of Redis, all leases and orders of the batch, and the type of every key
-- Repeat             the lease is gone, so a repeat is stale: nothing is stored or published twice
local PER, HEAD, n = 17, 2, (#ARGV - 2) / 17
local nos, ids = {}, {}
for i = 0, n - 1 do
  local a = HEAD + i * PER
  nos[i + 1] = ARGV[a + 1]
  if ARGV[a + 8] ~= '' then ids[#ids + 1], ids[#ids + 2] = ARGV[a + 8], ARGV[a + 9] end
end
local run, leases = Lease.run(), {}
for i, v in ipairs(redis.call('HMGET', KEYS[3], unpack(nos))) do leases[nos[i]] = v or nil end
Orders.load(KEYS[4], ids)

local replies, states, due, done, ended, freed, again = {}, {}, {}, {}, {}, {}, {}
for i = 0, n - 1 do
  local a = HEAD + i * PER
  local no = ARGV[a + 1]
  replies[i + 1] = Lease.holds(leases[no], ARGV[a + 2], run) and 1 or 0
  if replies[i + 1] == 1 then
    leases[no] = nil
    Bins.move(no, unpack(ARGV, a + 12, a + 17))
    freed[#freed + 1], states[#states + 1], states[#states + 2] = no, no, ARGV[a + 3]
    if ARGV[a + 4] ~= '' then
      due[#due + 1], due[#due + 2], again[#again + 1] = ARGV[a + 4], no, no
    else
      done[#done + 1], ended[#ended + 1], ended[#ended + 2] = no, ARGV[1], no
    end
    local order = ARGV[a + 8] ~= '' and Orders.find(ARGV[a + 8], ARGV[a + 9])
    if order and order.known then Orders.finish(order, no, tonumber(ARGV[a + 10]), ARGV[a + 11], due) end
  end
end

-- An error after a write would leave the write: whatever may fail for a key's type fails here.
for k, size in pairs({ 'ZCARD', 'HLEN', [5] = 'ZCARD', [6] = 'XLEN', [7] = 'XLEN' }) do redis.call(size, KEYS[k]) end
if #freed > 0 then
  -- Out of memory, Redis refuses a script's first write unless it frees some: settling must go on.
  redis.call('HDEL', KEYS[3], '')
  redis.call('INCR', KEYS[8])
  redis.call('HSET', KEYS[2], unpack(states))
  redis.call('HDEL', KEYS[3], unpack(freed))
  Orders.store()
end
if #done > 0 then
  redis.call('ZREM', KEYS[1], unpack(done))
  redis.call('ZADD', KEYS[5], unpack(ended))
end
if #due > 0 then redis.call('ZADD', KEYS[1], unpack(due)) end
if #again > 0 then redis.call('ZREM', KEYS[5], unpack(again)) end -- it had ended, and was corrected
for i = 0, n - 1 do
  local a = HEAD + i * PER
  if replies[i + 1] == 0 then
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[2], '*', 'kind', 'stale_commit', 'refund_no', ARGV[a + 1],
      'fence', ARGV[a + 2], 'state', ARGV[a + 3], 'at', ARGV[1])
  elseif ARGV[a + 5] ~= '' then
    redis.call('XADD', KEYS[6], '*', 'event_id', ARGV[a + 5], 'refund_no', ARGV[a + 1], 'outcome', ARGV[a + 6],
      'result', ARGV[a + 7])
  end
end
Bins.store({ unpack(KEYS, 9) })
return replies
