-- Shared by the scripts that change limits, behind the limits.
local COUNTERS = { task = '#tasks', declared = '#tasks', module = '#tasks',
  lane = '#lanes', lanes = '#lanes', queue = '#queues' }

-- Every job that runs, and its header and route.
local function each_running(tenant, visit)
  for _, worker in ipairs(call('ZRANGE', R .. '@leases', 0, -1)) do
    for _, job in ipairs(call('SMEMBERS', worker_key(worker, 'held'))) do
      if sub(job, 17) == tenant then
        local id = sub(job, 1, 16)
        local head = head_of(tenant, id)
        if state_of(head) == RUNNING then visit(id, head) end
      end
    end
  end
end

-- Counts anew what runs in the scopes that have `limit`: a concurrency holds for
-- jobs that began before it was set. It costs what runs, not what waits.
local function recount(tenant, fits)
  local it = limits_of(tenant)
  for _, field in ipairs(call('HKEYS', R .. tenant .. ':busy')) do
    if fits(field) then call('HDEL', R .. tenant .. ':busy', field) end
  end
  each_running(tenant, function(id, head)
    for kind, scope in pairs(scopes_of(head)) do
      local g = fits(scope) and gate(it, scope)
      if g and g.busy then
        call('HINCRBY', R .. tenant .. ':busy', scope, 1)
        local flags = byte(call('GETRANGE', job_key(tenant, id), 52, 52))
        call('SETRANGE', job_key(tenant, id), 52, char(bit.bor(flags, COUNTED[kind])))
      end
    end
  end)
end

-- A pace begins anew. But under an operator's rate that would be a start for each word
-- that the tenant says: there it is as far on as that rate alone may have it.
local function begin_pace(it, scope)
  local key, quota = R .. it.tenant .. ':pace', scope == 'tenant' and it.quota
  local due = quota and quota[2] > 0 and tonumber(call('HGET', key, scope))
  if not due then return call('HDEL', key, scope) end
  call('HSET', key, scope, math.min(due, now * 1000 + AHEAD + math.floor(quota[3] * 1000 / quota[2])))
end

-- Sets a limit, or lifts it (nil), and lets go on whoever may now.
local function put_limit(tenant, field, limit)
  local it = limits_of(tenant)
  local before = limit_at(it, field)
  local packed = limit and cmsgpack.pack(limit)
  if packed then call('HSET', it.key, field, packed) else call('HDEL', it.key, field) end
  local kind, name = string.match(field, '^(%l+):?(.*)$')
  if COUNTERS[kind] and (before == false) ~= (limit == nil) then
    call('HINCRBY', it.key, COUNTERS[kind], limit and 1 or -1)
  end
  tenants_limits[tenant] = nil
  local scope = kind == 'declared' and 'task:' .. name or field
  local prefix = kind == 'lanes' and 'lane:' .. name .. '/'
  local function fits(other) return other == scope or (prefix and sub(other, 1, #prefix) == prefix) end
  recount(tenant, fits)
  tenants_limits[tenant] = nil
  it = limits_of(tenant)
  -- A new rate begins anew; a pause in between changes nothing of it.
  local old, new = before or { 0, 0 }, limit or { 0, 0 }
  local anew = old[1] ~= new[1] or old[2] ~= new[2]
  if not prefix then
    if anew then begin_pace(it, scope) end
    return let_on(it, scope)
  end
  for _, lane in ipairs(call('HKEYS', queue_key(tenant, name) .. ':lanes')) do let_on(it, prefix .. lane) end
end
