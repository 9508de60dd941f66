-- Says whether submits may leave now: the lease is held, nothing is paused, no more of the order is
-- held than was paid, and the account has not sent what it may send that day. What may leave is
-- counted, a refund once a day.
--
-- KEYS[1] leases     hash, refund number -> fence mark crashes since word
-- KEYS[2] pauses     hash, account, or * for all -> who, why, since when
-- KEYS[3] spent      hash, "account day" -> minor units that were cleared
-- KEYS[4] counted    hash, refund number -> the last day in which it was counted
-- KEYS[5] orders     hash, order id -> account of the order, see order.lua
-- KEYS[6] seq        counter, raised by every write
-- KEYS[7] overdrawn  set, ids of orders that hold more than was paid; only its type is looked at
-- ARGV[1..]          eight for each refund: number, fence and word of the lease, account, day or '' if
--                    the account has no limit, amount, limit in minor units, order id, second order
--                    id or ''
-- Returns            one integer a refund: 1 go, 2 the lease is another by now or of an earlier run,
--                    3 paused, 4 limit, 5 more of its order is held than was paid
-- Reads first        leases, pauses, orders, sums and counted refunds of the batch, and the type of
--                    every key
-- Repeat             the same answer; what was counted in a day is not counted in it again
local PER, n = 8, #ARGV / 8
local nos, days, ids, switches = {}, {}, {}, { '*' }
for i = 0, n - 1 do
  local a = i * PER
  nos[i + 1], switches[i + 2], days[i + 1] = ARGV[a + 1], ARGV[a + 3], ARGV[a + 3] .. ' ' .. ARGV[a + 4]
  ids[#ids + 1], ids[#ids + 2] = ARGV[a + 7], ARGV[a + 8]
end
Orders.load(KEYS[5], KEYS[7], ids)
local leases = redis.call('HMGET', KEYS[1], unpack(nos))
local pauses = redis.call('HMGET', KEYS[2], unpack(switches))
local run, sums, counted = Lease.run(), {}, {}
for i, v in ipairs(redis.call('HMGET', KEYS[3], unpack(days))) do sums[days[i]] = v and tonumber(v) or nil end
for i, v in ipairs(redis.call('HMGET', KEYS[4], unpack(nos))) do counted[nos[i]] = v or nil end

local function overdrawn(first, second)
  local order = Orders.find(first, second)
  return order and Orders.is_over(order)
end

local replies, marks, changed, begun = {}, {}, {}, {}
for i, no in ipairs(nos) do
  local a = (i - 1) * PER
  local then_spent = (sums[days[i]] or 0) + tonumber(ARGV[a + 5])
  if not Lease.holds(leases[i], ARGV[a + 2], run) then
    replies[i] = 2
  elseif pauses[1] or pauses[i + 1] then
    replies[i] = 3
  elseif overdrawn(ARGV[a + 7], ARGV[a + 8]) then
    replies[i] = 5
  elseif ARGV[a + 4] == '' or counted[no] == ARGV[a + 4] then
    replies[i] = 1
  elseif then_spent > tonumber(ARGV[a + 6]) then
    replies[i] = 4
  else
    replies[i], counted[no] = 1, ARGV[a + 4]
    if not sums[days[i]] then begun[ARGV[a + 3]] = math.max(begun[ARGV[a + 3]] or 0, tonumber(ARGV[a + 4])) end
    sums[days[i]], changed[days[i]] = then_spent, true
    marks[#marks + 1], marks[#marks + 2] = no, ARGV[a + 4]
  end
end
if #marks == 0 then return replies end

-- With the first refund of a day the days before yesterday go; a worker whose clock is a little
-- behind still finds the day that has just ended. So there are never more than two of an account.
local old, flat = { '' }, {}
for _, field in ipairs(next(begun) and redis.call('HKEYS', KEYS[3]) or {}) do
  local account, day = string.match(field, '^(%S+) (%d+)$')
  if account and begun[account] and tonumber(day) < begun[account] - 1 then old[#old + 1] = field end
end
for day in pairs(changed) do flat[#flat + 1], flat[#flat + 2] = day, string.format('%.0f', sums[day]) end
redis.call('HDEL', KEYS[3], '') -- first, because Redis allows it when out of memory
redis.call('INCR', KEYS[6])
redis.call('HSET', KEYS[3], unpack(flat))
redis.call('HSET', KEYS[4], unpack(marks))
for _, field in ipairs(old) do redis.call('HDEL', KEYS[3], field) end
return replies
