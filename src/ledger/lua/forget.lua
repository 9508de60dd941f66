-- Forgets settled refunds whose retention has passed; an order goes with its last refund. One that is
-- due or held is being asked about again and stays.
--
-- KEYS[1] settled    zset, refund number by Unix ms of its settlement
-- KEYS[2] refunds    hash, refund number -> what was asked
-- KEYS[3] states     hash, refund number -> where it stands
-- KEYS[4] orders     hash, order id -> account of the order, see order.lua
-- KEYS[5] due        zset, refund number by Unix ms
-- KEYS[6] leases     hash, refund number -> fence mark crashes since word
-- KEYS[7] counted    hash, refund number -> the last day in which it was counted
-- KEYS[8] seq        counter, raised by every write
-- KEYS[9] overdrawn  set, ids of orders that hold more than was paid
-- KEYS[10..]         what bins.lua keeps
-- ARGV[1] before     forget what settled before this Unix ms
-- ARGV[2] batch      MessagePack: {names of bins, refunds}; a refund is {number, order id, second order id
--                    or '', place of its bin, minor units, the gateway's number or nil}
-- Returns            how many were forgotten
-- Reads first        settlement, due time, lease and order of each, and the type of every key
-- Repeat             nothing further
local names, refunds = unpack(cmsgpack.unpack(ARGV[2]))
local forgotten, ids, gone = {}, {}, {}
for i, refund in ipairs(refunds) do ids[2 * i - 1], ids[2 * i] = refund[2], refund[3] end
Orders.load(KEYS[4], KEYS[9], ids)
Bins.name(names)
-- One of the refunds of an order goes; the order with the last of them.
local function leave(order, no)
  local others = {}
  for other in string.gmatch(order.refunds, '%S+') do
    if other ~= no then others[#others + 1] = other end
  end
  order.count, order.refunds = order.count - 1, table.concat(others, ' ')
  Orders.keep(order)
  if order.count > 0 then return end
  gone[#gone + 1] = order.id
  for id in string.gmatch(order.others, '%S+') do gone[#gone + 1] = id end
end
for _, refund in ipairs(refunds) do
  local no = refund[1]
  local at = redis.call('ZSCORE', KEYS[1], no)
  local busy = redis.call('ZSCORE', KEYS[5], no) or redis.call('HEXISTS', KEYS[6], no) == 1
  if at and not busy and tonumber(at) < tonumber(ARGV[1]) then
    forgotten[#forgotten + 1] = no
    Bins.move(no, refund[4], 0, refund[5])
    if refund[6] then Bins.gone[#Bins.gone + 1] = refund[6] end
    local order = Orders.find(refund[2], refund[3])
    if order and order.known then leave(order, no) end
  end
end
if #forgotten == 0 then return 0 end
redis.call('HLEN', KEYS[3])
redis.call('HLEN', KEYS[7])
redis.call('HDEL', KEYS[2], '') -- first, because Redis allows it when out of memory
redis.call('INCR', KEYS[8])
redis.call('ZREM', KEYS[1], unpack(forgotten))
redis.call('HDEL', KEYS[2], unpack(forgotten))
redis.call('HDEL', KEYS[3], unpack(forgotten))
redis.call('HDEL', KEYS[7], unpack(forgotten))
Orders.store()
for _, id in ipairs(gone) do -- no bound on the ids of one order
  redis.call('HDEL', KEYS[4], id)
  redis.call('SREM', KEYS[9], id)
end
Bins.store({ unpack(KEYS, 10) })
return #forgotten
