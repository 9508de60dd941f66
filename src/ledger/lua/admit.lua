-- Takes refunds in: dedupe, reservation on the order, record, due time, acknowledgement; one write.
--
-- KEYS[1] requests   stream; acknowledged entries are deleted
-- KEYS[2] refunds    hash, refund number -> what was asked
-- KEYS[3] states     hash, refund number -> where it stands
-- KEYS[4] due        zset, refund number by Unix ms; +inf while it waits for its order
-- KEYS[5] orders     hash, order id -> account of the order, see order.lua
-- KEYS[6] seq        counter, raised by every write
-- KEYS[7] overdrawn  set, ids of orders that hold more than was paid
-- KEYS[8..]          what bins.lua keeps
-- ARGV[1] group      consumer group of the requests
-- ARGV[2] channel    where sleeping workers listen
-- ARGV[3] now        Unix ms
-- ARGV[4] batch      MessagePack: {names of bins, refunds}; a refund is {number, request entry id or '',
--                    record, state, amount in minor units, paid or nil, due in Unix ms,
--                    order id, second order id or '', place of its bin, admitted in Unix ms, amount as text}
-- Returns            one a refund: 0 new, 1 waits for its order, {2, record} known, {3, paid, held}
--                    over-refund, 4 the two ids name two known orders, 5 its request has had its answer
-- Reads first        every record and order of the batch, whether each request still waits for an
--                    answer, and the type of every key; nothing is written before all are decided
-- Repeat             a refund that was admitted is answered as known, nothing changes
local names, refunds = unpack(cmsgpack.unpack(ARGV[4]))
local nos, ids, known = {}, {}, {}
local NAMED = 200 -- of an order's refunds; an order of ten thousand must not cost each a list of all
for i, refund in ipairs(refunds) do
  nos[i], ids[#ids + 1] = refund[1], refund[8]
  if refund[9] ~= '' then ids[#ids + 1] = refund[9] end
end
for i, v in ipairs(redis.call('HMGET', KEYS[2], unpack(nos))) do known[nos[i]] = v or nil end
Orders.load(KEYS[5], KEYS[7], ids)
Bins.name(names)

-- Whether a request waits for its answer: whoever answers it acknowledges and deletes it. One that
-- only its producer has deleted is still pending, one whose reader was removed is still there. Most
-- batches are a run of entries, and are asked about in one call.
local taken, waiting = {}, {}
local function ask(first, last, count)
  local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], first, last, count) -- an error: no group
  for _, entry in ipairs(pending) do waiting[entry[1]] = true end
end
local function open(entry)
  if taken[entry] then return false end
  if not waiting[entry] then ask(entry, entry, 1) end
  return waiting[entry] or #redis.call('XRANGE', KEYS[1], entry, entry) > 0
end
if #refunds > 1 then ask(refunds[1][2], refunds[#refunds][2], #refunds) end

local replies, records, states, due, acks, wake = {}, {}, {}, {}, {}, false
for i, refund in ipairs(refunds) do
  local no, entry, record, state, amount, paid, at = unpack(refund, 1, 7)
  local order = Orders.find(refund[8], refund[9])
  if order and order.paid ~= '' and (not paid or tonumber(order.paid) < tonumber(paid)) then paid = order.paid end
  if known[no] then
    replies[i] = { 2, known[no] }
  elseif entry ~= '' and not open(entry) then
    replies[i] = 5
  elseif not order then
    replies[i] = 4
  elseif paid and order.held + amount > tonumber(paid) then
    replies[i] = { 3, paid, order.held }
  else
    if order.flight == '' then
      replies[i], order.flight = 0, no
      if tonumber(order.gate) > tonumber(at) then at = order.gate end
      wake = wake or tonumber(at) <= tonumber(ARGV[3])
    else
      replies[i] = 1
      order.waiting = (order.waiting == '' and '' or order.waiting .. ',') .. no .. ':' .. at
      at = '+inf'
    end
    if order.known then Orders.hold(order, amount) else order.held = refund[12] end
    order.paid, order.count = paid or '', order.count + 1
    if order.count <= NAMED then order.refunds = (order.refunds == '' and '' or order.refunds .. ' ') .. no end
    Orders.keep(order)
    Bins.move(no, 0, refund[10], amount, refund[11])
    known[no] = record
    records[#records + 1], records[#records + 2] = no, record
    states[#states + 1], states[#states + 2] = no, state
    due[#due + 1], due[#due + 2] = at, no
    if entry ~= '' then acks[#acks + 1], taken[entry] = entry, true end
  end
end
if #records == 0 then return replies end

-- An error after a write would leave the write: whatever may fail for a key's type fails here.
redis.call('XLEN', KEYS[1])
redis.call('HLEN', KEYS[3])
redis.call('ZCARD', KEYS[4])
redis.call('INCR', KEYS[6])
redis.call('HSET', KEYS[2], unpack(records))
redis.call('HSET', KEYS[3], unpack(states))
redis.call('ZADD', KEYS[4], unpack(due))
Orders.store()
if #acks > 0 then
  redis.call('XACK', KEYS[1], ARGV[1], unpack(acks))
  redis.call('XDEL', KEYS[1], unpack(acks))
end
if wake then redis.call('PUBLISH', ARGV[2], '1') end
Bins.store({ unpack(KEYS, 8) })
return replies
