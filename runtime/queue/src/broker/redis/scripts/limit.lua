-- Sets what a scope allows, or pauses it, or lets it go on.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, scope, then 'limit', starts, period in ms, concurrency,
--   depth + 1, strict (0 for what is not limited); or 'pause'; or 'resume'
-- Returns 1.
local tenant, scope, word = ARGV[2], ARGV[3], ARGV[4]
local before = limit_at(limits_of(tenant), scope) or { 0, 0, 0, 0, 0, 0 }
local limit = { unpack(before) }
if word == 'limit' then
  for i = 1, 5 do limit[i] = tonumber(ARGV[4 + i]) end
else
  limit[6] = word == 'pause' and 1 or 0
end
local allows_all = limit[1] == 0 and limit[3] == 0 and limit[4] == 0 and limit[5] == 0 and limit[6] == 0
call('SADD', R .. '@tenants', tenant)
put_limit(tenant, scope, not allows_all and limit or nil)
return 1
