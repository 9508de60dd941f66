-- Pauses the submits of one account or of all, or lets them go on, with the audit line.
--
-- KEYS[1] pauses     hash, account, or * for all -> who, why, since when
-- KEYS[2] audit      stream
-- KEYS[3] seq        counter, raised by every write
-- ARGV[1] field      the account, or * for all
-- ARGV[2] value      who, why, since when; '' to let them go on
-- ARGV[3] audit_max  entries the audit stream keeps, about
-- ARGV[4..]          fields and values of the audit line
-- Returns            1 done, 0 it was so already: nothing is written
-- Reads first        the switch, and the type of every key
-- Repeat             nothing further
local paused = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
redis.call('XLEN', KEYS[2])
if paused == (ARGV[2] ~= '') then return 0 end
local line = {}
for i = 4, #ARGV do line[#line + 1] = ARGV[i] end
-- Out of memory, Redis refuses a script's first write unless it frees some: people must get through.
redis.call('HDEL', KEYS[1], '')
redis.call('INCR', KEYS[3])
if paused then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(line))
return 1
