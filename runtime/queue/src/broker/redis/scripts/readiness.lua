-- What the live workers say of a staged digest.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, digest
-- Returns {live, ready, why one cannot compile it, …}.
local words = call('HGETALL', R .. '@staged:' .. ARGV[3] .. ARGV[2])
local answer, is_live = { 0, 0 }, {}
for _, worker in ipairs(call('ZRANGEBYSCORE', R .. '@leases', '(' .. now, '+inf')) do
  is_live[worker] = true
  answer[1] = answer[1] + 1
end
for i = 1, #words, 2 do
  if is_live[words[i]] and words[i + 1] == 'ok' then
    answer[2] = answer[2] + 1
  elseif is_live[words[i]] then
    answer[#answer + 1] = words[i + 1]
  end
end
return answer
