-- Shared by the scripts that start, end or move jobs, behind the lanes. The twin
-- of limits.rs, which says what is allowed; here stands how what is not waits.
--
-- A limit is {starts, period in ms, concurrency, depth + 1, strict, paused}, 0 for
-- what is not limited. Scopes are spelled as limits.rs does; `declared:M.T` is
-- what module M says of its task T. Whatever may not start leaves its ring and
-- waits in the list of the scope that does not allow it, so it costs nothing.
local AHEAD = 50000 -- us that a rate may run ahead of its even pace
local LOOK = 1000 -- ms until a scope is looked at again for which many may wait
local TURN = 10 -- ms that those who were let on have to start
local STEP = 1000 -- lanes that go on in one call
local OWN = '\1' -- begins the lane of a task that has limits
local MINUTE = 60000000 -- us of fuel that may be owed
local MOST_OWED = 1e15 -- us that one settlement adds to that

-- A tenant's limits. One call a tenant and script, where it has none.
local tenants_limits = {}
local function limits_of(tenant)
  local it = tenants_limits[tenant]
  if not it then
    local key = R .. tenant .. ':limits'
    local has = call('HMGET', key, '#tasks', '#lanes', '#queues', 'tenant', '#quota')
    it = { tenant = tenant, key = key, fields = {}, gates = {} }
    it.tasks, it.lanes, it.queues = has[1] and has[1] ~= '0', has[2] and has[2] ~= '0', has[3] and has[3] ~= '0'
    it.fields.tenant = has[4] and cmsgpack.unpack(has[4]) or false
    it.quota = has[5] and cmsgpack.unpack(has[5])
    tenants_limits[tenant] = it
  end
  return it
end

local function limit_at(it, field)
  local limit = it.fields[field]
  if limit == nil then
    local packed = call('HGET', it.key, field)
    limit = packed and cmsgpack.unpack(packed) or false
    it.fields[field] = limit
  end
  return limit
end

-- The particular word goes before the general one, rate and concurrency each by
-- itself.
local function merged(own, general)
  if not (own and general) then return own or general end
  local rate, both = own[1] > 0 and own or general, {}
  both[1], both[2], both[3] = rate[1], rate[2], own[3] > 0 and own[3] or general[3]
  both[4], both[5], both[6] = 0, 0, own[6]
  return both
end

-- Of a tenant's own word and its operator's the stricter. A quota is what quota.lua says.
local function stricter(own, quota)
  if quota[1] + quota[2] + quota[8] + quota[9] == 0 then return own end
  local both = { unpack(own or { 0, 0, 0, 0, 0, 0 }) }
  if quota[2] > 0 and (both[1] == 0 or quota[3] * both[1] > both[2] * quota[2]) then
    both[1], both[2] = quota[2], quota[3]
  end
  if quota[1] > 0 and (both[3] == 0 or quota[1] < both[3]) then both[3] = quota[1] end
  if quota[9] > 0 then both[6] = 1 end
  both.fuel = quota[8] > 0 and quota[8] or nil
  return both
end

-- A scope's limit with what it holds just now; false where it has no limit.
local function gate(it, scope)
  local g = it.gates[scope]
  if g ~= nil then return g end
  local kind, name = string.match(scope, '^(%l+):?(.*)$')
  local limit = limit_at(it, scope)
  if kind == 'lane' then limit = merged(limit, limit_at(it, 'lanes:' .. string.match(name, '^[^/]*'))) end
  if kind == 'task' then limit = merged(limit, limit_at(it, 'declared:' .. name)) end
  if kind == 'tenant' and it.quota then limit = stricter(limit, it.quota) end
  g = limit and { it = it, scope = scope, kind = kind, limit = limit }
  if g and limit[1] > 0 then
    g.step = math.max(1, math.floor(limit[2] * 1000 / limit[1]))
    g.due = tonumber(call('HGET', R .. it.tenant .. ':pace', scope)) or 0
  end
  if g and limit.fuel then
    g.fuel, g.debt = limit.fuel, tonumber(call('HGET', R .. it.tenant .. ':pace', '#fuel')) or 0
  end
  if g and (limit[3] > 0 or g.fuel) then g.busy = tonumber(call('HGET', R .. it.tenant .. ':busy', scope)) or 0 end
  it.gates[scope] = g
  return g
end

-- How many of a scope's jobs may start now.
local function room(g)
  if g.limit[6] == 1 or (g.fuel and g.debt > now * 1000 + MINUTE) then return 0 end
  local n = g.limit[3] > 0 and g.limit[3] - g.busy or math.huge
  if g.step then
    local ahead = now * 1000 + AHEAD - math.max(g.due, now * 1000)
    n = math.min(n, ahead < 0 and 0 or math.floor(ahead / g.step) + 1)
  end
  return n
end

-- One of its jobs starts; the flag that says so on the job's record, if it will
-- be counted until it ends.
local function pass(g)
  g.changed = true
  if g.step then g.due = math.max(g.due, now * 1000) + g.step end
  if not g.busy then return 0 end
  g.busy = g.busy + 1
  return COUNTED[g.kind]
end

-- Remembers to look again whether a scope allows more: at the time of its next
-- start, or after `wait`. What is paused is looked at when it is resumed.
local function look_later(g, wait)
  if g.limit[6] == 1 then return end
  local member, start = g.it.tenant .. '\0' .. g.scope, g.step and math.ceil((g.due - AHEAD) / 1000) or 0
  if g.fuel then start = math.max(start, math.ceil((g.debt - MINUTE) / 1000)) end
  if (g.step or g.fuel) and (start > now or wait) then
    expect('@waits', member, math.max(start, now + (wait or 0)))
  elseif g.kind == 'task' or g.kind == 'tenant' then
    call('ZADD', R .. '@waits', 'LT', now + LOOK, member)
  end
end

-- Whether a lane waits for something that not all of its jobs are under.
local function is_mixed(kind, lane)
  return (kind == 'task' or kind == 'module') and lane and lane ~= '' and sub(lane, 1, 1) ~= OWN
end

-- Lets a lane of a queue, or (with none) the tenant's place in it, wait for a scope.
-- Whoever calls takes it out of its ring.
local function park(g, queue, lane)
  local tenant = g.it.tenant
  call('RPUSH', R .. tenant .. ':wait:' .. g.scope, lane and queue .. '\0' .. lane or queue)
  if is_mixed(g.kind, lane) then call('HSET', queue_key(tenant, queue) .. ':aside', lane, g.scope) end
  look_later(g)
end

local function join(tenant, queue, lane, workers)
  if not lane or call('RPUSH', queue_key(tenant, queue) .. ':ring', lane) == 1 then
    join_ring(queue, tenant)
  end
  wake(queue, workers)
end

-- A lane with a key goes on, if it waits for a scope that its first job may no
-- longer be under: its jobs have changed.
local function free_lane(tenant, queue, lane)
  if lane == '' or not limits_of(tenant).tasks then return end
  if call('HDEL', queue_key(tenant, queue) .. ':aside', lane) == 1 then join(tenant, queue, lane, 1) end
end

-- Brings back what waited for a scope; false where it has gone on before.
local function rejoin(tenant, scope, what, workers)
  local queue, lane = string.match(what, '^([^%z]*)%z(.*)$')
  local mixed = is_mixed(string.match(scope, '^%l+'), lane)
  if mixed and call('HDEL', queue_key(tenant, queue) .. ':aside', lane) == 0 then return false end
  join(tenant, queue or what, lane, workers)
  return true
end

-- Lets as many of those who wait for a scope go on as it has room for.
local function let_on(it, scope)
  local tenant, list = it.tenant, R .. it.tenant .. ':wait:' .. scope
  local g = call('EXISTS', list) == 1 and gate(it, scope)
  local n = math.min(g and room(g) or STEP, STEP)
  local left = n
  for _ = 1, STEP do
    local what = left > 0 and call('LPOP', list)
    if not what then break end
    if rejoin(tenant, scope, what, math.min(n, 100)) then left = left - 1 end
  end
  call('ZREM', R .. '@waits', tenant .. '\0' .. scope)
  if call('EXISTS', list) == 0 then return end
  -- Those who go on start in a moment: until then there is no room for others.
  if g then look_later(g, TURN) else expect('@waits', tenant .. '\0' .. scope, now) end
end

-- The scopes that a job belongs to, by kind.
local function scopes_of(head)
  local module, queue, lane, _, _, at = route(head)
  return {
    tenant = 'tenant',
    queue = 'queue:' .. queue,
    lane = lane ~= '' and 'lane:' .. queue .. '/' .. lane or nil,
    task = 'task:' .. task_of(module, head, at),
  }
end

-- A job runs no longer: it counts no longer where its record says that it does. What it
-- `burnt` is owed.
local released = {}
local function release(tenant, head, burnt)
  local flags = byte(head, 53)
  if bit.band(flags, ALL_COUNTED) == 0 then return end
  local it = limits_of(tenant)
  for kind, scope in pairs(scopes_of(head)) do
    local g = bit.band(flags, COUNTED[kind]) > 0 and gate(it, scope)
    if g and g.busy then
      g.busy, g.changed = math.max(0, g.busy - 1), true
      if g.fuel and burnt then
        g.debt = math.max(g.debt, now * 1000) + math.min(math.floor(burnt * MINUTE / g.fuel), MOST_OWED)
      end
      released[tenant .. '\0' .. scope] = g
    end
  end
end

-- A job that was given back has not started: its starts do not count.
local function refund(tenant, head)
  local it = limits_of(tenant)
  if not (it.tasks or it.lanes or it.queues or it.fields.tenant or it.quota) then return end
  for _, scope in pairs(scopes_of(head)) do
    local g = gate(it, scope)
    if g and g.step then
      g.due, g.changed = g.due - g.step, true
      released[tenant .. '\0' .. scope] = g
    end
  end
end

-- Writes what has changed, and lets those go on who waited for what was released.
local function flush_limits()
  for tenant, it in pairs(tenants_limits) do
    for scope, g in pairs(it.gates) do
      if g and g.changed then
        if g.step then call('HSET', R .. tenant .. ':pace', scope, g.due) end
        if g.debt then call('HSET', R .. tenant .. ':pace', '#fuel', g.debt) end
        if g.busy and g.busy > 0 then call('HSET', R .. tenant .. ':busy', scope, g.busy) end
        if g.busy == 0 then call('HDEL', R .. tenant .. ':busy', scope) end
      end
    end
  end
  for _, g in pairs(released) do let_on(g.it, g.scope) end
end

-- Whether the tenant's own lane is no place for jobs of a task.
local function steps_aside(it, module, task)
  if not it.tasks then return false end
  local pause = limit_at(it, 'module:' .. module)
  return gate(it, 'task:' .. task) or (pause and pause[6] == 1)
end

-- Puts a job into its lane, or into that of its task; its queue. `available` as records
-- have it.
local function push_job(tenant, id, head, available, front)
  local queue, lane = queue_of(head)
  local it = limits_of(tenant)
  if lane == '' and it.tasks then
    local module, _, _, _, _, at = route(head)
    local task = task_of(module, head, at)
    if steps_aside(it, module, task) then lane = OWN .. task end
  end
  free_lane(tenant, queue, lane)
  push(tenant, queue, lane, byte(head, 2), available, id, front)
  return queue
end

-- Makes a job available that waited for its time, since `available`, as records have it.
local function make_available(tenant, id, head, available, front)
  local key = job_key(tenant, id)
  call('SETRANGE', key, '3', char(AVAILABLE))
  call('SETRANGE', key, '26', available)
  local queue = push_job(tenant, id, head, available, front)
  count(tenant, queue, byte(head, 4), -1)
  count(tenant, queue, AVAILABLE, 1)
end
