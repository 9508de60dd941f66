-- Gives leases back as if they had never been given: what earlier ones left stays, crashes and an
-- intent that was lost, in a lease of nobody. Whatever its state, the refund is due again.
--
-- KEYS[1] leases     hash, refund number -> fence mark crashes since word
-- KEYS[2] due        zset, refund number by Unix ms
-- KEYS[3] seq        counter, raised by every write
-- ARGV[1] unheard    '1' if their claims were never answered, so that nobody has acted on them: then a
--                    lease of an earlier run goes back, too; else ''
-- ARGV[2..]          three for each refund: number, fence and word of the lease, due in Unix ms
-- Returns            how many were given back; one whose lease is another by now is left alone
-- Reads first        the leases of the batch, and the type of every key
-- Repeat             nothing further: the word of the lease is gone
local nos, leases, run = {}, {}, Lease.run()
for a = 2, #ARGV, 3 do nos[#nos + 1] = ARGV[a] end
for i, v in ipairs(redis.call('HMGET', KEYS[1], unpack(nos))) do leases[nos[i]] = v or nil end
redis.call('ZCARD', KEYS[2])

local free, kept, due, back = {}, {}, {}, 0
for i, no in ipairs(nos) do
  local told, due_at = ARGV[i * 3], ARGV[i * 3 + 1]
  local fence, mark, crashes, since = string.match(leases[no] or '', '^(%d+) (%a) (%d+) (%d+) %S+$')
  local ours = Lease.holds(leases[no], told, run) or (ARGV[1] == '1' and Lease.is(leases[no], told))
  if fence and ours then
    leases[no], back = nil, back + 1
    if mark == 'u' or crashes ~= '0' then
      kept[#kept + 1], kept[#kept + 2] = no, table.concat({ fence, mark, crashes, since, '-' }, ' ')
    else
      free[#free + 1] = no
    end
    due[#due + 1], due[#due + 2] = due_at, no
  end
end
if back == 0 then return 0 end
-- Out of memory, Redis refuses a script's first write unless it frees some: settling must go on.
redis.call('HDEL', KEYS[1], '')
redis.call('INCR', KEYS[3])
if #free > 0 then redis.call('HDEL', KEYS[1], unpack(free)) end
if #kept > 0 then redis.call('HSET', KEYS[1], unpack(kept)) end
redis.call('ZADD', KEYS[2], 'XX', unpack(due))
return back
