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
-- KEYS[9] overdrawn  set, ids of orders that hold more than was paid
-- KEYS[10..]         what bins.lua keeps
-- ARGV[1] now        Unix ms
-- ARGV[2] stale_max  entries the stale stream keeps, about
-- ARGV[3] batch      MessagePack: {names of bins, steps}; a step is {number, fence and word of the lease,
--                    state, due in Unix ms or nil if it has ended, result or nil: {event id, outcome,
--                    result}, order or nil if nothing changes for it: what Orders.finish takes, move or
--                    nil if it stays in its bin: {from, to, minor units, since, ended or nil}, the
--                    gateway's number or nil}
-- Returns            one integer a refund: 1 stored, 0 stale (a line in stale, nothing else)
-- Reads first        the run of Redis, all leases and orders of the batch, and the type of every key
-- Repeat             the lease is gone, so a repeat is stale: nothing is stored or published twice
local names, steps = unpack(cmsgpack.unpack(ARGV[3]))
local nos, ids = {}, {}
for i, step in ipairs(steps) do
  nos[i] = step[1]
  if step[6] then ids[#ids + 1] = step[6][1] end
  if step[6] and step[6][2] ~= '' then ids[#ids + 1] = step[6][2] end
end
local run, leases = Lease.run(), {}
for i, v in ipairs(redis.call('HMGET', KEYS[3], unpack(nos))) do leases[nos[i]] = v or nil end
Orders.load(KEYS[4], KEYS[9], ids)
Bins.name(names)

local replies, states, due, done, ended, freed, again = {}, {}, {}, {}, {}, {}, {}
for i, step in ipairs(steps) do
  local no, due_at, order, move = step[1], step[4], step[6], step[7]
  replies[i] = Lease.holds(leases[no], step[2], run) and 1 or 0
  if replies[i] == 1 then
    leases[no] = nil
    if move then Bins.move(no, unpack(move)) end
    if step[8] then Bins.find(step[8], no) end
    freed[#freed + 1], states[#states + 1], states[#states + 2] = no, no, step[3]
    if due_at then
      due[#due + 1], due[#due + 2], again[#again + 1] = due_at, no, no
    else
      done[#done + 1], ended[#ended + 1], ended[#ended + 2] = no, ARGV[1], no
    end
    if order then Orders.finish(order, no, due) end
  end
end

-- An error after a write would leave the write: whatever may fail for a key's type fails here.
for k, size in pairs({ 'ZCARD', 'HLEN', [5] = 'ZCARD', [6] = 'XLEN', [7] = 'XLEN' }) do redis.call(size, KEYS[k]) end
if #freed > 0 then
  -- Out of memory, Redis refuses a script's first write unless it frees some: settling must go on.
  redis.call('HDEL', KEYS[3], '')
  redis.call('INCR', KEYS[8])
  redis.call('HDEL', KEYS[3], unpack(freed))
  redis.call('HSET', KEYS[2], unpack(states))
  Orders.store()
end
if #done > 0 then
  redis.call('ZREM', KEYS[1], unpack(done))
  redis.call('ZADD', KEYS[5], unpack(ended))
end
if #due > 0 then redis.call('ZADD', KEYS[1], unpack(due)) end
if #again > 0 then redis.call('ZREM', KEYS[5], unpack(again)) end -- it had ended, and was corrected
for i, step in ipairs(steps) do
  if replies[i] == 0 then
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[2], '*', 'kind', 'stale_commit', 'refund_no', step[1],
      'fence', step[2], 'state', step[3], 'at', ARGV[1])
  elseif step[5] then
    redis.call('XADD', KEYS[6], '*', 'event_id', step[5][1], 'refund_no', step[1], 'outcome', step[5][2],
      'result', step[5][3])
  end
end
Bins.store({ unpack(KEYS, 10) })
return replies
