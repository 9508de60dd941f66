-- Makes one handle and this Redis known to each other. If this is another Redis than the one that
-- wrote last, or one whose counter has gone back, writes may be lost: that is recorded.
--
-- KEYS[1] epoch      hash: run_id of the Redis that wrote last, lost_at Unix ms, losses
-- KEYS[2] refunds    hash, refund number -> what was asked
-- KEYS[3] audit      stream
-- KEYS[4] seq        counter, raised by every write
-- KEYS[5] requests   stream
-- ARGV[1] now        Unix ms
-- ARGV[2] audit_max  entries the audit stream keeps, about
-- ARGV[3] run_id     of the Redis that this handle knows, or '' if it knows none
-- ARGV[4] losses     that this handle knows of
-- ARGV[5] seen       the highest value of the counter that this handle was told of
-- ARGV[6] latest     the latest moment that this handle has used, Unix ms
-- Returns            {run id, lost_at or '', losses, counter, 1 if this call has recorded a loss else 0};
--                    the counter is then no less than seen
-- Reads first        the counter, what is recorded, whether there are refunds, the last id of the
--                    requests; the type of the audit
-- Repeat             nothing further: the run id is the recorded one, and the counter is not behind
local run_id = Lease.run()
local known = redis.call('HMGET', KEYS[1], 'run_id', 'lost_at', 'losses')
local seq, seen, losses = tonumber(redis.call('GET', KEYS[4]) or '0'), tonumber(ARGV[5]), tonumber(known[3] or '0')
redis.call('XLEN', KEYS[3])
local behind = seq < seen
local told = losses > tonumber(ARGV[4]) -- another handle has recorded what this one has noticed
local same = known[1] == run_id and (ARGV[3] == '' or ARGV[3] == run_id or told)
local lost_at = known[2] or ''
-- When the last request was pushed, by the clock of whichever Redis it was. Producers may choose ids
-- of their own; one beyond the year 5000 is no moment.
local pushed = 0
local stream = redis.call('EXISTS', KEYS[5]) == 1 and redis.call('XINFO', 'STREAM', KEYS[5]) or {}
for i = 1, #stream, 2 do
  if stream[i] == 'last-generated-id' then pushed = tonumber(string.match(stream[i + 1], '^%d+')) end
end
if pushed > 95617584000000 then pushed = 0 end
-- What has no refunds has none to doubt, unless it once had.
local new = not behind and redis.call('EXISTS', KEYS[2]) == 0 and (not known[1] or seq == 0)
if same and not behind or new then
  if new and not same then redis.call('HSET', KEYS[1], 'run_id', run_id) end
  return { run_id, lost_at, losses, string.format('%.0f', seq), 0 }
end

-- Out of memory, Redis refuses a script's first write unless it frees some: settling must go on.
redis.call('HDEL', KEYS[1], '')
-- The clock may have gone back with Redis: what was admitted by the old one must be doubted, too.
lost_at = math.max(tonumber(ARGV[1]), tonumber(ARGV[6]), pushed, tonumber(known[2] or ARGV[1]))
lost_at = string.format('%.0f', lost_at)
redis.call('SET', KEYS[4], string.format('%.0f', math.max(seq, seen) + 1))
-- Two that notice one loss count it once; what was admitted until the second has noticed is doubted.
local first = known[1] ~= run_id or not told
if first then
  losses = math.max(losses, tonumber(ARGV[4])) + 1
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'kind', 'write_loss', 'run_id', run_id,
    'was', known[1] or '', 'counter', string.format('%.0f', seq), 'seen', ARGV[5], 'at', ARGV[1])
end
redis.call('HSET', KEYS[1], 'run_id', run_id, 'lost_at', lost_at, 'losses', losses)
return { run_id, lost_at, losses, string.format('%.0f', math.max(seq, seen) + 1), first and 1 or 0 }
