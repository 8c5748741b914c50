-- Values of a bucket's keys.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, bucket, how many bytes the values have at most, keys
-- Returns a value or nothing for each; or, where they have more bytes, how many.
local values, bytes = R .. ARGV[2] .. ':kv:' .. ARGV[3], 0
if not ARGV[5] then return {} end
for i = 5, #ARGV do bytes = bytes + call('HSTRLEN', values, ARGV[i]) end
if bytes > tonumber(ARGV[4]) then return bytes end
return call('HMGET', values, unpack(ARGV, 5))
