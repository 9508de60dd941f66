-- Library of act, admit, clear, commit and forget: the account of an order, stored in one field of the
-- hash orders as held|paid|in flight|gate|count|refunds|waiting|other ids, or as =id where another id
-- holds the account. held, paid: minor units; gate: Unix ms; count: refunds stored; refunds: the numbers
-- of the first of them, divided by spaces, for who looks for the order; waiting: number:due,number:due;
-- other ids: divided by spaces, so that all go with the account.
-- Mirrors domain/order.rs, which says what each of these is for. An order that holds more than was paid
-- stands in the set overdrawn, too, so that a claim can tell at once that there is none.
local Orders = { seen = {}, changed = {}, over = {}, ALIAS = string.byte('=') }

-- Reads the accounts of all ids of a batch at once.
function Orders.load(key, overdrawn, ids)
  Orders.key, Orders.overdrawn = key, overdrawn
  if #ids == 0 then return end
  redis.call('SCARD', overdrawn)
  for i, v in ipairs(redis.call('HMGET', key, unpack(ids))) do Orders.seen[ids[i]] = v or nil end
end

-- The id that holds the account, and the account's text or nil.
function Orders.resolve(id)
  local v = Orders.seen[id]
  if v and string.byte(v) == Orders.ALIAS then
    id = string.sub(v, 2)
    if Orders.seen[id] == nil then Orders.seen[id] = redis.call('HGET', Orders.key, id) or nil end
    v = Orders.seen[id]
  end
  return id, v
end

-- The account of an order by either of its ids; nil where the ids name two different accounts.
function Orders.find(first, second)
  local id, text = Orders.resolve(first)
  local alias = second
  if second ~= '' then
    local second_id, second_text = Orders.resolve(second)
    if text and second_text and second_id ~= id then return nil end
    if second_text and not text then id, text, alias = second_id, second_text, first end
  end
  local o = { id = id, alias = alias, held = '0', paid = '', flight = '', gate = '0', count = 0, refunds = '', waiting = '', others = '' }
  if text then
    o.held, o.paid, o.flight, o.gate, o.count, o.refunds, o.waiting, o.others =
      string.match(text, '^(%d+)|(%d*)|([^|]*)|(%d+)|(%d+)|([^|]*)|([^|]*)|(.*)$')
    o.known, o.was_over = true, Orders.is_over(o)
  end
  return o
end

-- Whether more of it is held than was paid. Only a correction can have made it so: money that had been
-- thought free has moved.
function Orders.is_over(o) return o.paid ~= '' and tonumber(o.held) > tonumber(o.paid) end

-- What is held, after so much more or less; spelling a number costs as much as storing the order.
function Orders.hold(o, by)
  if by ~= 0 then o.held = string.format('%.0f', math.max(0, o.held + by)) end
end

function Orders.keep(o)
  local alias = '=' .. o.id
  if o.alias ~= '' and o.alias ~= o.id and Orders.seen[o.alias] ~= alias then
    Orders.seen[o.alias], Orders.changed[o.alias] = alias, alias
    o.others = o.others == '' and o.alias or o.others .. ' ' .. o.alias
  end
  Orders.seen[o.id] = table.concat({ o.held, o.paid, o.flight, o.gate, o.count, o.refunds, o.waiting, o.others }, '|')
  Orders.changed[o.id] = Orders.seen[o.id]
  local over = Orders.is_over(o)
  if over or o.was_over then Orders.over[o.id] = over end
end

-- Writes every account that was kept.
function Orders.store()
  local flat = {}
  for id, text in pairs(Orders.changed) do flat[#flat + 1], flat[#flat + 2] = id, text end
  if #flat > 0 then redis.call('HSET', Orders.key, unpack(flat)) end
  for id, over in pairs(Orders.over) do redis.call(over and 'SADD' or 'SREM', Orders.overdrawn, id) end
end

-- What a step of a refund means for its order: what is held, and the end of its turn or of its wait
-- for one. The next refund of the order may go; when, is added to due. change: {order id, second order
-- id or '', minor units that the order no longer holds (negative: holds again), no submit of the order
-- before this Unix ms}.
function Orders.finish(change, no, due)
  local o, next_at = Orders.find(change[1], change[2]), change[4]
  if not o or not o.known then return end
  Orders.hold(o, -change[3])
  if o.flight == no then
    if tonumber(next_at) > tonumber(o.gate) then o.gate = next_at end
    local following, at, rest = string.match(o.waiting, '^([^:]+):(%d+),?(.*)$')
    o.flight, o.waiting = following or '', rest or ''
    if following then
      due[#due + 1], due[#due + 2] = tonumber(at) > tonumber(o.gate) and at or o.gate, following
    end
  else
    local still = {}
    for entry in string.gmatch(o.waiting, '[^,]+') do
      if string.match(entry, '^[^:]+') ~= no then still[#still + 1] = entry end
    end
    o.waiting = table.concat(still, ',')
  end
  Orders.keep(o)
end
