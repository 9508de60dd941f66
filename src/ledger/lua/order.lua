-- Library of act, admit, clear, commit and forget: the account of an order, stored in one field of the
-- hash orders as held|paid|in flight|gate|count|refunds|waiting|other ids, or as =id where another id
-- holds the account. held, paid: minor units; gate: Unix ms; count: refunds stored; refunds: the numbers
-- of the first of them, divided by spaces, for who looks for the order; waiting: number:due,number:due;
-- other ids: divided by spaces, so that all go with the account.
-- Mirrors domain/order.rs, which says what each of these is for.
local Orders = { seen = {}, changed = {}, ALIAS = string.byte('='), NAMED = 200 }

-- Reads the accounts of all ids of a batch at once.
function Orders.load(key, ids)
  Orders.key = key
  if #ids == 0 then return end
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
  local o = { id = id, alias = alias, held = 0, paid = '', flight = '', gate = '0', count = 0, refunds = '', waiting = '', others = '' }
  if text then
    o.held, o.paid, o.flight, o.gate, o.count, o.refunds, o.waiting, o.others =
      string.match(text, '^(%d+)|(%d*)|([^|]*)|(%d+)|(%d+)|([^|]*)|([^|]*)|(.*)$')
    o.known = true
  end
  return o
end

function Orders.keep(o)
  local alias = '=' .. o.id
  if o.alias ~= '' and o.alias ~= o.id and Orders.seen[o.alias] ~= alias then
    Orders.seen[o.alias], Orders.changed[o.alias] = alias, alias
    o.others = o.others == '' and o.alias or o.others .. ' ' .. o.alias
  end
  local held = string.format('%.0f', o.held)
  Orders.seen[o.id] = table.concat({ held, o.paid, o.flight, o.gate, o.count, o.refunds, o.waiting, o.others }, '|')
  Orders.changed[o.id] = Orders.seen[o.id]
end

-- Writes every account that was kept.
function Orders.store()
  local flat = {}
  for id, text in pairs(Orders.changed) do flat[#flat + 1], flat[#flat + 2] = id, text end
  if #flat > 0 then redis.call('HSET', Orders.key, unpack(flat)) end
end

-- One more refund of the order is stored. So many are named, the rest only counted: an order of ten
-- thousand refunds must not cost each of them a list of all.
function Orders.enter(o, no)
  o.count = o.count + 1
  if o.count <= Orders.NAMED then o.refunds = o.refunds == '' and no or o.refunds .. ' ' .. no end
end

-- One of them is forgotten.
function Orders.leave(o, no)
  local others = {}
  for other in string.gmatch(o.refunds, '%S+') do
    if other ~= no then others[#others + 1] = other end
  end
  o.count, o.refunds = o.count - 1, table.concat(others, ' ')
end

-- What a step of a refund means for its order: what is held, and the end of its turn or of its wait
-- for one. The next refund of the order may go; when, is added to due.
function Orders.finish(o, no, freed, next_at, due)
  o.held = math.max(0, o.held - freed)
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
