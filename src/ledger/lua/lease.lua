-- Library of act, claim, clear, commit, epoch and put_back: who may act under a lease. A lease is stored as
-- fence mark crashes since word, its word is owner.run.round, and it counts only in the run of Redis
-- that gave it: one that comes back as an older copy still holds leases under whose equal fence others
-- may have sent since. A batch tells few different leases many times: each is taken apart once.
local Lease = { told = {} }

-- The id of this run, drawn anew by every start; ? where the server names none.
function Lease.run() return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '?' end

-- Fence and word of which are told, as a stored lease begins and ends, and the run of the word.
function Lease.parts(told)
  local parts = Lease.told[told]
  if not parts then
    local fence, word = string.match(told, '^(%d+)( %S+)$')
    parts = { (fence or '') .. ' ', word or '?', string.match(told, '%.([^.]+)%.[^.]*$') }
    Lease.told[told] = parts
  end
  return parts
end

-- Whether the stored lease is the one of which fence and word are told.
function Lease.is(stored, told)
  local parts = Lease.parts(told)
  return stored and string.sub(stored, 1, #parts[1]) == parts[1] and string.sub(stored, -#parts[2]) == parts[2]
end

-- Whether this run has given the lease that is stored or told.
function Lease.of(lease, run) return string.match(lease, '%.([^.]+)%.[^.]*$') == run end

-- Whether the stored lease is the one that is told, and this run has given it.
function Lease.holds(stored, told, run) return Lease.is(stored, told) and Lease.parts(told)[3] == run end
