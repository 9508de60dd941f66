-- Gives back what one owner's claims have leased since a fence: claims whose answers were lost, so
-- that nobody has acted on them. A refund that was leased for the first time is as if never claimed.
--
-- KEYS[1] leases     hash, refund number -> fence mark crashes since owner.round
-- KEYS[2] due        zset, refund number by Unix ms
-- KEYS[3] seq        counter, raised by every write
-- ARGV[1] owner      whose claims
-- ARGV[2] heard      the last fence that the owner was told of
-- ARGV[3] now        Unix ms; they are due at once
-- ARGV[4] round      only claims of this round of the owner or an earlier one; later claims are of a
--                    later round, so that a call which Redis sees late cannot touch them
-- Returns            how many were given back
-- Reads first        all leases: as many as all workers have slots
-- Repeat             nothing further
local flat, back = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #flat, 2 do
  local fence, mark, crashes, since, owner, round =
    string.match(flat[i + 1], '^(%d+) (%a) (%d+) (%d+) (%x+)%.(%d+)$')
  local unheard = owner == ARGV[1] and tonumber(fence) > tonumber(ARGV[2])
  if unheard and tonumber(round) <= tonumber(ARGV[4]) then
    back[#back + 1] = flat[i]
    redis.call('ZSCORE', KEYS[2], flat[i])
    if crashes == '0' then
      redis.call('HDEL', KEYS[1], flat[i])
    else
      redis.call('HSET', KEYS[1], flat[i], table.concat({ fence, mark, crashes - 1, since, '-' }, ' '))
    end
    redis.call('ZADD', KEYS[2], 'XX', ARGV[3], flat[i])
  end
end
if #back > 0 then redis.call('INCR', KEYS[3]) end
return #back
