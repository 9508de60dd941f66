-- Pauses the submits of one account or of all, or lets them go on, with the audit line.
--
-- KEYS[1] pauses     hash, account, or * for all -> who, why, since when
-- KEYS[2] audit      stream
-- KEYS[3] seq        counter, raised by every write
-- ARGV[1] field      the account, or * for all
-- ARGV[2] value      who, why, since when; '' to let them go on
-- ARGV[3] meant      the value that must stand there to be removed, or '' for any
-- ARGV[4] audit_max  entries the audit stream keeps, about
-- ARGV[5..]          fields and values of the audit line
-- Returns            1 done, 0 it was so already, or another value stands there: nothing is written
-- Reads first        the switch, and the type of every key
-- Repeat             nothing further
local value = redis.call('HGET', KEYS[1], ARGV[1])
local paused = value ~= false
redis.call('XLEN', KEYS[2])
if paused == (ARGV[2] ~= '') or (paused and ARGV[3] ~= '' and value ~= ARGV[3]) then return 0 end
local line = {}
for i = 5, #ARGV do line[#line + 1] = ARGV[i] end
-- Out of memory, Redis refuses a script's first write unless it frees some: people must get through.
redis.call('HDEL', KEYS[1], '')
redis.call('INCR', KEYS[3])
if paused then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(line))
return 1
