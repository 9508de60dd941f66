-- Library of act, admit, commit and forget: how many refunds and how much money each bin holds, which
-- refunds of a state are the oldest, what has ended, and where a gateway's number leads. People watch
-- by it and nothing decides by it: whatever cannot be kept here is left out and stops no write.
--
-- Seven keys in a row: bins    hash: "n BIN" refunds, "c BIN" minor units, "e OUTCOME BOUND" ended;
--                              BIN begins with the letter of its state
--                      requested, unconfirmed, refused, processing, parked
--                              zsets, refund number by Unix ms of its admission
--                      found   hash, the gateway's number -> refund number
local Bins = { by = {}, came = { {}, {}, {}, {}, {} }, left = { {}, {}, {}, {}, {} }, found = {}, gone = {} }
Bins.STATES = { [114] = 1, [117] = 2, [102] = 3, [112] = 4, [107] = 5 } -- r, u, f, p, k

local function count(field, by) Bins.by[field] = (Bins.by[field] or 0) + by end

-- Moves a refund between bins; from is '' for a new one, to is '' for one that goes, both if it stays.
-- ended: OUTCOME BOUND, or ''; found: the gateway's number, or ''.
function Bins.move(no, from, to, amount, since, ended, found)
  if from ~= '' then
    count('n ' .. from, -1)
    count('c ' .. from, -tonumber(amount))
    local left = Bins.left[Bins.STATES[string.byte(from)]]
    if left then left[#left + 1] = no end
  end
  if to ~= '' then
    count('n ' .. to, 1)
    count('c ' .. to, tonumber(amount))
    local came = Bins.came[Bins.STATES[string.byte(to)]]
    if came then came[#came + 1], came[#came + 2] = since, no end
  end
  if ended ~= '' then count('e ' .. ended, 1) end
  if found == '' then return end
  if from ~= '' and to == '' then
    Bins.gone[#Bins.gone + 1] = found
  else
    Bins.found[#Bins.found + 1], Bins.found[#Bins.found + 2] = found, no
  end
end

-- Writes what was moved, last of all that a script writes. First leave, then come: one may do both in a batch.
function Bins.store(keys)
  for field, by in pairs(Bins.by) do
    if by ~= 0 then redis.pcall('HINCRBY', keys[1], field, string.format('%.0f', by)) end
  end
  for i = 1, 5 do
    if #Bins.left[i] > 0 then redis.pcall('ZREM', keys[1 + i], unpack(Bins.left[i])) end
    if #Bins.came[i] > 0 then redis.pcall('ZADD', keys[1 + i], unpack(Bins.came[i])) end
  end
  if #Bins.found > 0 then redis.pcall('HSET', keys[7], unpack(Bins.found)) end
  if #Bins.gone > 0 then redis.pcall('HDEL', keys[7], unpack(Bins.gone)) end
end
