-- Whether a bucket has keys.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, bucket, keys
-- Returns 1 or 0 for each.
local values, answer = R .. ARGV[2] .. ':kv:' .. ARGV[3], {}
for i = 4, #ARGV do answer[i - 3] = call('HEXISTS', values, ARGV[i]) end
return answer
