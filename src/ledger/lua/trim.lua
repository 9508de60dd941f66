-- Trims results that are old enough and that every consumer group has read and acknowledged.
--
-- KEYS[1] results    stream
-- ARGV[1] before     trim entries older than this Unix ms, 0 or more
-- Returns            how many entries were trimmed
-- Reads first        each group's last delivered entry, which is kept, and its oldest
--                    unacknowledged one
-- Repeat             nothing further
local function earlier(a, b)
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  if tonumber(am) ~= tonumber(bm) then return tonumber(am) < tonumber(bm) and a or b end
  return tonumber(as) < tonumber(bs) and a or b
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local keep = ARGV[1] .. '-0'
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
  keep = earlier(keep, info['last-delivered-id'])
  local pending = redis.call('XPENDING', KEYS[1], info['name'])
  if pending[1] > 0 then keep = earlier(keep, pending[2]) end
end
return redis.call('XTRIM', KEYS[1], 'MINID', keep)
