-- Live workers, as a tenant sees them.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, how many jobs of each are named at most
-- Returns for each: its id, the end of its lease, what it tells of its host or '', ids of
--   the tenant's jobs that it holds one behind the other, how many of others it holds.
local tenant, most = ARGV[2], tonumber(ARGV[3])
local answer, leases = {}, call('ZRANGEBYSCORE', R .. '@leases', '(' .. now, '+inf', 'WITHSCORES')
for i = 1, #leases, 2 do
  local ids, others = {}, 0
  for _, job in ipairs(call('SMEMBERS', worker_key(leases[i], 'held'))) do
    if sub(job, 17) == tenant then ids[#ids + 1] = sub(job, 1, 16) else others = others + 1 end
  end
  table.sort(ids)
  answer[#answer + 1] = leases[i]
  answer[#answer + 1] = leases[i + 1]
  answer[#answer + 1] = call('GET', worker_key(leases[i], 'about')) or ''
  answer[#answer + 1] = table.concat(ids, '', 1, math.min(#ids, most))
  answer[#answer + 1] = others
end
return answer
