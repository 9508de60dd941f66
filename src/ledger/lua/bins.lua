-- Library of act, admit, commit and forget: how many refunds and how much money each bin holds, which
-- refunds of a state are the oldest, what has ended, and where a gateway's number leads. People watch
-- by it and nothing decides by it: whatever cannot be kept here is left out and stops no write.
--
-- Seven keys in a row: bins    hash: "n BIN" refunds, "c BIN" minor units, "e OUTCOME BOUND" ended;
--                              BIN begins with the letter of its state
--                      requested, unconfirmed, refused, processing, parked
--                              zsets, refund number by Unix ms of its admission
--                      found   hash, the gateway's number -> refund number
-- A batch names each bin once; refunds move between the places of that list.
local Bins = { names = {}, states = {}, n = {}, c = {}, ended = {}, came = { {}, {}, {}, {}, {} }, left = { {}, {}, {}, {}, {} }, found = {}, gone = {} }
Bins.STATES = { [114] = 1, [117] = 2, [102] = 3, [112] = 4, [107] = 5 } -- r, u, f, p, k

-- The bins that a batch moves refunds between.
function Bins.name(names)
  Bins.names = names
  for i, name in ipairs(names) do
    Bins.n[i], Bins.c[i], Bins.states[i] = 0, 0, Bins.STATES[string.byte(name)]
  end
end

-- Moves a refund between bins, told by their places; from is 0 for a new one, to is 0 for one that
-- goes. ended: OUTCOME BOUND, or nil.
function Bins.move(no, from, to, amount, since, ended)
  if from > 0 then
    Bins.n[from], Bins.c[from] = Bins.n[from] - 1, Bins.c[from] - amount
    local left = Bins.left[Bins.states[from]]
    if left then left[#left + 1] = no end
  end
  if to > 0 then
    Bins.n[to], Bins.c[to] = Bins.n[to] + 1, Bins.c[to] + amount
    local came = Bins.came[Bins.states[to]]
    if came then came[#came + 1], came[#came + 2] = since, no end
  end
  if ended then Bins.ended[ended] = (Bins.ended[ended] or 0) + 1 end
end

-- The gateway's number leads to the refund.
function Bins.find(found, no) Bins.found[#Bins.found + 1], Bins.found[#Bins.found + 2] = found, no end

local function count(key, field, by)
  if by ~= 0 then redis.pcall('HINCRBY', key, field, string.format('%.0f', by)) end
end

-- Writes what was moved, last of all that a script writes. First leave, then come: one may do both in a batch.
function Bins.store(keys)
  for i, name in ipairs(Bins.names) do
    count(keys[1], 'n ' .. name, Bins.n[i])
    count(keys[1], 'c ' .. name, Bins.c[i])
  end
  for ended, by in pairs(Bins.ended) do count(keys[1], 'e ' .. ended, by) end
  for i = 1, 5 do
    if #Bins.left[i] > 0 then redis.pcall('ZREM', keys[1 + i], unpack(Bins.left[i])) end
    if #Bins.came[i] > 0 then redis.pcall('ZADD', keys[1 + i], unpack(Bins.came[i])) end
  end
  if #Bins.found > 0 then redis.pcall('HSET', keys[7], unpack(Bins.found)) end
  if #Bins.gone > 0 then redis.pcall('HDEL', keys[7], unpack(Bins.gone)) end
end
