-- Creates or changes a tenant.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, 'create', 'terms', 'suspend' or 'resume', 1 where it is there
--   without a record too; and of the first two: weight, quota as JSON, then its numbers as
--   quota.lua has them, up to the fuel
-- Returns 1, or 0 where there is such a record already, or none to be changed.
local tenant, word, always = ARGV[2], ARGV[3], ARGV[4] == '1'
local key = R .. tenant .. ':tenant'
local known = call('EXISTS', key) == 1
if word == 'create' and (known or always) then return 0 end
if word ~= 'create' and not (known or always) then return 0 end
if not known then
  call('HSET', key, 'created', word == 'create' and now or 0, 'weight', 1, 'suspended', 0, 'quota', '{}')
  call('ZADD', R .. '@records', 0, tenant)
end
local quota = quota_of(tenant) or { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
local before = { unpack(quota) }
if word == 'suspend' or word == 'resume' then
  quota[9] = word == 'suspend' and 1 or 0
  call('HSET', key, 'suspended', quota[9])
else
  for i = 1, 8 do quota[i] = tonumber(ARGV[6 + i]) end
  call('HSET', key, 'weight', ARGV[5], 'quota', ARGV[6])
  call('HSET', R .. tenant .. ':fair', 'weight', ARGV[5])
end
call('SADD', R .. '@tenants', tenant)

local said = false
for i = 1, 10 do said = said or quota[i] > 0 end
if said then
  call('HSET', R .. tenant .. ':limits', '#quota', cmsgpack.pack(quota))
else
  call('HDEL', R .. tenant .. ':limits', '#quota')
end

-- An earlier Lovage, which may stand beside this one, counts nothing for quotas: what can
-- be counted anew is. Modules that were staged and never activated are not known by name.
local jobs = 0
for _, queue in ipairs(call('SMEMBERS', R .. tenant .. ':queues')) do
  local counts = call('HMGET', queue_key(tenant, queue) .. ':n', 0, SCHEDULED, AVAILABLE, RUNNING, RETRYABLE)
  for _, some in ipairs(counts) do jobs = jobs + tonumber(some or 0) end
end
call('SET', R .. tenant .. ':live', jobs)
each_batch('SADD', R .. tenant .. ':names', call('HKEYS', R .. tenant .. ':active'))

-- What may start is another thing now: what runs counts, and who waits looks again.
local pace = R .. tenant .. ':pace'
if quota[8] == 0 then call('HDEL', pace, '#fuel') end
tenants_limits[tenant] = nil
recount(tenant, function(scope) return scope == 'tenant' end)
tenants_limits[tenant] = nil
local it = limits_of(tenant)
if before[2] ~= quota[2] or before[3] ~= quota[3] then call('HDEL', pace, 'tenant') end
let_on(it, 'tenant')
return 1
