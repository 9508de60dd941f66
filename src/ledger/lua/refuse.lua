-- Acknowledges a request that leads to no refund, with what it leaves behind, in one write.
--
-- KEYS[1] requests   stream; the entry is deleted
-- KEYS[2] results    stream
-- KEYS[3] quarantine stream
-- KEYS[4] seq        counter, raised by every write
-- ARGV[1] group      consumer group of the requests
-- ARGV[2] entry      request entry id, or ''
-- ARGV[3] event_id   of the result, or '' for none
-- ARGV[4] refund_no  as the request had it
-- ARGV[5] outcome    of the result
-- ARGV[6] result     JSON
-- ARGV[7..]          fields and values of the quarantine entry; none for no entry
-- Returns            1 done, 0 somebody has acknowledged the entry already: nothing is written
-- Reads first        the type of every key
-- Repeat             nothing further, if there is an entry; else it publishes again
for k = 1, 3 do redis.call('XLEN', KEYS[k]) end
redis.call('GET', KEYS[4])
if ARGV[2] ~= '' and redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('INCR', KEYS[4])
if ARGV[3] ~= '' then
  redis.call('XADD', KEYS[2], '*', 'event_id', ARGV[3], 'refund_no', ARGV[4], 'outcome', ARGV[5], 'result', ARGV[6])
end
if #ARGV > 6 then
  local fields = {}
  for i = 7, #ARGV do fields[#fields + 1] = ARGV[i] end
  redis.call('XADD', KEYS[3], '*', unpack(fields))
end
if ARGV[2] ~= '' then redis.call('XDEL', KEYS[1], ARGV[2]) end
return 1
