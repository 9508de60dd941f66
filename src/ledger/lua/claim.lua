-- Leases a bounded batch of refunds that are due or whose lease has run out, oldest first. For a
-- refund whose next step is a submit, the lease is the record of the intent.
--
-- KEYS[1] due        zset, refund number by Unix ms: when it is due, or when its lease ends
-- KEYS[2] refunds    hash, refund number -> what was asked
-- KEYS[3] states     hash, refund number -> where it stands; begins with r where a submit is next
-- KEYS[4] leases     hash, refund number -> fence mark crashes since word; mark i: intent to submit
--                    recorded by this lease, u: recorded by an earlier one and lost, q: no intent;
--                    crashes: leases in a row that ran out in the run of Redis that gave them;
--                    since: Unix ms of the first of these leases in a row; a lease that cannot be
--                    read counts as u
-- KEYS[5] seq        counter, raised by every write; the fence
-- KEYS[6] epoch      hash: run_id of the Redis that wrote last, lost_at Unix ms; see epoch.lua
-- ARGV[1] now        Unix ms
-- ARGV[2] until      end of the leases, Unix ms
-- ARGV[3] want       most refunds, at most 500
-- ARGV[4] word       who claims, in which run of Redis and which round, one word: owner.run.round
-- ARGV[5] run_id     of the Redis that this handle knows, or '' if it knows none
-- ARGV[6] seen       the highest value of the counter that this handle was told of
-- Returns            {} if this is not that Redis, or its counter has gone back: nothing is claimed;
--                    else {next due in Unix ms or '', fence, lost_at or '', then for each: number,
--                    record, state, lease, since when it was due in Unix ms}; record and state are ''
--                    where they are missing
-- Reads first        run id and counter, the batch, its records and leases
-- Repeat             claims the next batch; what the first call leased stays leased
local run_id = Lease.run()
local epoch = redis.call('HMGET', KEYS[6], 'run_id', 'lost_at')
local seq = redis.call('GET', KEYS[5]) or '0'
if run_id ~= ARGV[5] or run_id ~= epoch[1] or tonumber(seq) < tonumber(ARGV[6]) then return {} end
local nos, dues = {}, {}
for i, v in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[3])) do
  local column = i % 2 == 1 and nos or dues
  column[#column + 1] = v
end
local out = { '', seq, epoch[2] or '' }
if #nos > 0 then
  local records = redis.call('HMGET', KEYS[2], unpack(nos))
  local states = redis.call('HMGET', KEYS[3], unpack(nos))
  local leases = redis.call('HMGET', KEYS[4], unpack(nos))
  -- Out of memory, Redis refuses a script's first write unless it frees some: settling must go on.
  redis.call('HDEL', KEYS[4], '')
  local fence = redis.call('INCR', KEYS[5])
  local due, held = {}, {}
  out[2] = fence
  for i, no in ipairs(nos) do
    local mark, crashes, since = 'q', 0, ARGV[1]
    if leases[i] then
      mark, crashes, since = string.match(leases[i], '^%d+ (%a) (%d+) (%d+)')
      crashes, since = crashes or 0, since or ARGV[1]
      -- A lease that an earlier run gave was lost with it, and says nothing against the refund.
      if Lease.of(leases[i], run_id) then crashes = crashes + 1 end
      if mark ~= 'q' then mark = 'u' end
    elseif states[i] and string.byte(states[i]) == 114 then
      mark = 'i'
    end
    due[#due + 1], due[#due + 2] = ARGV[2], no
    local lease = table.concat({ fence, mark, crashes, since, ARGV[4] }, ' ')
    held[#held + 1], held[#held + 2] = no, lease
    for _, v in ipairs({ no, records[i] or '', states[i] or '', lease, dues[i] }) do out[#out + 1] = v end
  end
  redis.call('ZADD', KEYS[1], unpack(due))
  redis.call('HSET', KEYS[4], unpack(held))
end
if #nos < tonumber(ARGV[3]) then
  local first = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  out[1] = first[2] or ''
end
return out
