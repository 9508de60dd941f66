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
-- KEYS[7] pauses     hash, account, or * for all -> who, why, since when
-- KEYS[8] overdrawn  set, ids of orders that hold more than was paid
-- ARGV[1] now        Unix ms
-- ARGV[2] until      end of the leases, Unix ms
-- ARGV[3] want       most refunds, at most 500
-- ARGV[4] word       who claims, in which run of Redis and which round, one word: owner.run.round
-- ARGV[5] run_id     of the Redis that this handle knows, or '' if it knows none
-- ARGV[6] seen       the highest value of the counter that this handle was told of
-- Returns            nil if this is not that Redis, or its counter has gone back: nothing is claimed;
--                    else MessagePack: {fence, next due in Unix ms or '', lost_at or '', '1' if nothing
--                    is paused and no order overdrawn else '', then five columns of the batch: numbers,
--                    since when they were due in Unix ms, records, states, and mark crashes since of
--                    the leases}; record and state are '' where they are missing; all strings
-- Reads first        run id and counter, the batch, its records and leases
-- Repeat             claims the next batch; what the first call leased stays leased
local run_id = Lease.run()
local epoch = redis.call('HMGET', KEYS[6], 'run_id', 'lost_at')
local seq = redis.call('GET', KEYS[5]) or '0'
if run_id ~= ARGV[5] or run_id ~= epoch[1] or tonumber(seq) < tonumber(ARGV[6]) then return nil end
local nos, dues = {}, {}
for i, v in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[3])) do
  local column = i % 2 == 1 and nos or dues
  column[#column + 1] = v
end
local records, states, marks, next_due = {}, {}, {}, ''
if #nos > 0 then
  records = redis.call('HMGET', KEYS[2], unpack(nos))
  states = redis.call('HMGET', KEYS[3], unpack(nos))
  local leases = redis.call('HMGET', KEYS[4], unpack(nos))
  -- Out of memory, Redis refuses a script's first write unless it frees some: settling must go on.
  redis.call('HDEL', KEYS[4], '')
  seq = string.format('%.0f', redis.call('INCR', KEYS[5]))
  local due, held = {}, {}
  local first, last = seq .. ' ', ' ' .. ARGV[4]
  local intent, query = 'i 0 ' .. ARGV[1], 'q 0 ' .. ARGV[1]
  local leased = { [intent] = first .. intent .. last, [query] = first .. query .. last }
  for i, no in ipairs(nos) do
    local mark = string.byte(states[i] or '') == 114 and intent or query
    if leases[i] then
      local was, crashes, since = string.match(leases[i], '^%d+ (%a) (%d+) (%d+)')
      -- A lease that an earlier run gave was lost with it, and says nothing against the refund.
      crashes = (crashes or 0) + (Lease.of(leases[i], run_id) and 1 or 0)
      mark = table.concat({ was == 'q' and 'q' or 'u', crashes, since or ARGV[1] }, ' ')
    end
    marks[i], records[i], states[i] = mark, records[i] or '', states[i] or ''
    due[2 * i - 1], due[2 * i] = ARGV[2], no
    held[2 * i - 1], held[2 * i] = no, leased[mark] or first .. mark .. last
  end
  redis.call('ZADD', KEYS[1], unpack(due))
  redis.call('HSET', KEYS[4], unpack(held))
end
if #nos < tonumber(ARGV[3]) then
  local first = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  next_due = first[2] or ''
end
-- Read last and by pcall: whatever cannot be read is asked for by clear.lua before anything is sent.
local clear = redis.pcall('HLEN', KEYS[7]) == 0 and redis.pcall('SCARD', KEYS[8]) == 0
return cmsgpack.pack({ seq, next_due, epoch[2] or '', clear and '1' or '', nos, dues, records, states, marks })
