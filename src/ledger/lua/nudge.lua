-- Makes refunds due now that only wait for their next query.
--
-- KEYS[1] due        zset, refund number by Unix ms
-- KEYS[2] states     hash, refund number -> where it stands; begins with r where a submit is next
-- KEYS[3] leases     hash, refund number -> fence mark crashes since owner
-- KEYS[4] seq        counter, raised by every write
-- ARGV[1] now        Unix ms
-- ARGV[2] channel    where sleeping workers listen
-- ARGV[3..]          refund numbers
-- Returns            how many are due now that were not
-- Reads first        due, state and lease of each
-- Repeat             nothing further
local due = {}
for i = 3, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  local state = redis.call('HGET', KEYS[2], ARGV[i])
  local leased = redis.call('HEXISTS', KEYS[3], ARGV[i]) == 1
  if score and state and not leased and string.byte(state) ~= 114 and tonumber(score) > tonumber(ARGV[1]) then
    due[#due + 1], due[#due + 2] = ARGV[1], ARGV[i]
  end
end
if #due > 0 then
  redis.call('ZADD', KEYS[1], unpack(due))
  redis.call('INCR', KEYS[4])
  redis.call('PUBLISH', ARGV[2], '1')
end
return #due / 2
