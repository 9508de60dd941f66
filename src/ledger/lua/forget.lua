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
-- KEYS[9..]          what bins.lua keeps
-- ARGV[1] before     forget what settled before this Unix ms
-- ARGV[2..]          six for each refund: number, order id, second order id or '', bin, minor units, the
--                    gateway's number or ''
-- Returns            how many were forgotten
-- Reads first        settlement, due time, lease and order of each, and the type of every key
-- Repeat             nothing further
local forgotten, ids = {}, {}
for a = 2, #ARGV, 6 do ids[#ids + 1], ids[#ids + 2] = ARGV[a + 1], ARGV[a + 2] end
Orders.load(KEYS[4], ids)
local gone = {}
for a = 2, #ARGV, 6 do
  local at = redis.call('ZSCORE', KEYS[1], ARGV[a])
  local busy = redis.call('ZSCORE', KEYS[5], ARGV[a]) or redis.call('HEXISTS', KEYS[6], ARGV[a]) == 1
  if at and not busy and tonumber(at) < tonumber(ARGV[1]) then
    forgotten[#forgotten + 1] = ARGV[a]
    Bins.move(ARGV[a], ARGV[a + 3], '', ARGV[a + 4], '', '', ARGV[a + 5])
    local order = Orders.find(ARGV[a + 1], ARGV[a + 2])
    if order and order.known then
      Orders.leave(order, ARGV[a])
      Orders.keep(order)
      if order.count == 0 then
        gone[#gone + 1] = order.id
        for id in string.gmatch(order.others, '%S+') do gone[#gone + 1] = id end
      end
    end
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
for _, id in ipairs(gone) do redis.call('HDEL', KEYS[4], id) end -- no bound on the ids of one order
Bins.store({ unpack(KEYS, 9) })
return #forgotten
