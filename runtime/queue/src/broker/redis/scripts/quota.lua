-- Shared by the scripts that take something in, behind the prelude: what a tenant may
-- take. The twin of tenant.rs.
--
-- A quota is {running, starts, period in ms, queued + 1, bytes + 1, modules + 1, size of a
-- module + 1, fuel a minute, 1 where it is suspended, 1 where it is being deleted}, 0 for
-- what is not limited. Tenants without any word on them have none.
local function quota_of(tenant)
  local packed = call('HGET', R .. tenant .. ':limits', '#quota')
  return packed and cmsgpack.unpack(packed)
end

local function used_of(tenant, what) return math.max(0, tonumber(call('GET', R .. tenant .. what)) or 0) end

-- What a quota has against so many more jobs and bytes; nothing where it has nothing.
local function against(tenant, quota, jobs, bytes)
  if not quota then return end
  if quota[10] > 0 then return { 'leaving' } end
  if quota[9] > 0 then return { 'suspended' } end
  if quota[4] > 0 and jobs > 0 then
    local used = used_of(tenant, ':live')
    if used + jobs >= quota[4] then return { 'quota', 'queued', quota[4] - 1, used } end
  end
  if quota[5] > 0 and bytes > 0 then
    local used = used_of(tenant, ':stored')
    if used + bytes >= quota[5] then return { 'quota', 'bytes', quota[5] - 1, used } end
  end
end

-- The answer that says so.
local function refuse(said)
  if said[1] == 'leaving' then return redis.error_reply('LEAVING it is being deleted') end
  if said[1] == 'suspended' then return redis.error_reply('SUSPENDED it is suspended') end
  return redis.error_reply(string.format('QUOTA %s %.0f %.0f', said[2], said[3], said[4]))
end
