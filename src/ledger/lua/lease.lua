-- Library of act, claim, clear, commit, epoch and put_back: who may act under a lease. A lease is stored as
-- fence mark crashes since word, its word is owner.run.round, and it counts only in the run of Redis
-- that gave it: one that comes back as an older copy still holds leases under whose equal fence others
-- may have sent since.
local Lease = {}

-- The id of this run, drawn anew by every start; ? where the server names none.
function Lease.run() return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '?' end

-- Whether the stored lease is the one of which fence and word are told.
function Lease.is(stored, told)
  local fence, word = string.match(stored or '', '^(%d+) .* (%S+)$')
  return fence ~= nil and fence .. ' ' .. word == told
end

-- Whether this run has given the lease that is stored or told.
function Lease.of(lease, run) return string.match(lease, '%.([^.]+)%.[^.]*$') == run end

-- Whether the stored lease is the one that is told, and this run has given it.
function Lease.holds(stored, told, run) return Lease.is(stored, told) and Lease.of(told, run) end
