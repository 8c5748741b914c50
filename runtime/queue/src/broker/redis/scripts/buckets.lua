-- A tenant's buckets.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant
-- Returns for each: its name, how many keys it has, bytes of its keys and values.
local all, answer = call('HGETALL', R .. ARGV[2] .. ':buckets'), {}
for i = 1, #all, 2 do
  answer[#answer + 1] = all[i]
  answer[#answer + 1] = call('ZCARD', R .. ARGV[2] .. ':keys:' .. all[i])
  answer[#answer + 1] = all[i + 1]
end
return answer
