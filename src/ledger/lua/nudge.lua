-- Makes refunds due now that only wait for their next query, or have settled: the gateway is asked.
--
-- KEYS[1] due        zset, refund number by Unix ms; +inf while it waits for its order
-- KEYS[2] states     hash, refund number -> where it stands; begins with r where a submit is next,
--                    with z where it has settled
-- KEYS[3] leases     hash, refund number -> fence mark crashes since word
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
  local letter = string.byte(redis.call('HGET', KEYS[2], ARGV[i]) or '')
  local later = score and score ~= 'inf' and tonumber(score) > tonumber(ARGV[1])
  local asleep = later or (not score and letter == 122)
  if asleep and letter and letter ~= 114 and redis.call('HEXISTS', KEYS[3], ARGV[i]) == 0 then
    due[#due + 1], due[#due + 2] = ARGV[1], ARGV[i]
  end
end
if #due > 0 then
  redis.call('INCR', KEYS[4])
  redis.call('ZADD', KEYS[1], unpack(due))
  redis.call('PUBLISH', ARGV[2], '1')
end
return #due / 2
