-- The smaller parts of claim, behind the finish: targets, turns, and lanes' lists.

-- What jobs are to run, each as release number and digest; and their places in that
-- list, as two bytes. The first stands for nothing.
local NO_TARGET = '\1\0'
local targets, places = { '' }, { [''] = NO_TARGET }

local function target_of(tenant, module, pin)
  if #pin == 32 then
    return call('EXISTS', R .. tenant .. ':m:' .. pin) == 1 and '\0\0\0\0' .. pin or ''
  elseif #pin == 4 then
    local release = call('HGET', R .. tenant .. ':rel:' .. module, number(pin, 1, 4))
    return release and pin .. sub(release, 1, 32) or ''
  end
  return call('HGET', R .. tenant .. ':active', module) or ''
end

local function place_of(target)
  local place = places[target]
  if not place then
    targets[#targets + 1] = target
    place = struct.pack('<I2', #targets)
    places[target] = place
  end
  return place
end

-- The place of a job's target. Of its route only module and pin are read: what is
-- between them may differ from job to job.
local known_places = {}
local function place_of_job(tenant, record)
  local n = byte(record, HEADER + 1) or 0
  local module, at = sub(record, HEADER + 2, HEADER + 1 + n), HEADER + 2 + n
  at = at + 1 + (byte(record, at) or 0)
  at = at + 1 + (byte(record, at) or 0)
  n = byte(record, at) or 0
  local pin = n > 0 and sub(record, at + 1, at + n) or ''
  local of_tenant = known_places[tenant]
  if not of_tenant then of_tenant = {}; known_places[tenant] = of_tenant end
  local key = n > 0 and module .. ':' .. pin or module
  local place = of_tenant[key]
  if not place then
    place = place_of(target_of(tenant, module, pin))
    of_tenant[key] = place
  end
  return place
end

-- What was handed out, in turns of one tenant and queue: ids, places of targets,
-- records, and how many of them were started.
local turns = {}
local function turn_of(tenant, queue)
  local newest = turns[#turns]
  if newest and newest.tenant == tenant and newest.queue == queue then return newest end
  newest = { tenant = tenant, queue = queue, n = 0, ids = {}, places = {}, records = {}, given = {}, started = 0 }
  newest.charge = share_of(tenant).cost
  turns[#turns + 1] = newest
  return newest
end

local function hand_out(turn, id, record, place)
  local n = turn.n + 1
  turn.n, turn.ids[n], turn.records[n], turn.places[n] = n, id, record, place
end

-- The nodes whose results the last job takes, where they are short: it need not ask.
local GIVEN = 2048
local function give(turn, terms)
  local nodes, given = R .. turn.tenant .. ':f:' .. terms.w .. ':ids', turn.given
  for _, place in ipairs(terms.n) do
    local id = call('LINDEX', nodes, place)
    local record = id and call('GETRANGE', job_key(turn.tenant, id), 0, GIVEN)
    if record and #record <= GIVEN then
      local n = #given
      given[n + 1], given[n + 2] = struct.pack('<I4I4', turn.n, place) .. id, record
    end
  end
end

-- The answer to a claim.
local function answer()
  local all = { now, targets }
  for _, turn in ipairs(turns) do
    if turn.n > 0 then
      local n = #all
      all[n + 1], all[n + 2], all[n + 3], all[n + 4] = turn.tenant, turn.queue, turn.charge, table.concat(turn.ids)
      all[n + 5], all[n + 6], all[n + 7] = table.concat(turn.places), turn.records, turn.given
    end
  end
  return all
end

-- These gates and those of some scopes, and the first of the latter that is closed,
-- if one is.
local function with_gates(it, gates, scopes)
  local all = { unpack(gates) }
  for _, scope in ipairs(scopes) do
    local g = gate(it, scope)
    if g and room(g) <= 0 then return all, g end
    if g then all[#all + 1] = g end
  end
  return all
end

-- The gates of a task: its own and its module's.
local function gates_of_task(it, gates, task)
  return with_gates(it, gates, { 'task:' .. task, 'module:' .. string.match(task, '^[^.]*') })
end

-- The gates that all jobs of a lane pass.
local function lane_gates(it, queue, lane, outer)
  if sub(lane, 1, 1) == OWN then return gates_of_task(it, outer, sub(lane, 2)) end
  if lane ~= '' and it.lanes then return with_gates(it, outer, { 'lane:' .. queue .. '/' .. lane }) end
  return outer
end

-- Whether jobs of the same task stepped aside before this one.
local function is_behind(tenant, queue, record)
  local module, _, _, _, _, at = route(record)
  local lane = OWN .. task_of(module, record, at)
  return is_touched(tenant, queue, lane) or call('HEXISTS', queue_key(tenant, queue) .. ':lanes', lane) == 1
end

-- The best `want` entries of several lists, in order of rank. Each list is in order
-- of availability, so only heads need to be compared.
local function pop_best(qk, lane, mask, want, strict)
  local heads, at, popped, priorities = {}, {}, {}, {}
  for p = 0, 9 do
    if bit.band(mask, bit.lshift(1, p)) ~= 0 then
      heads[p], at[p] = call('LRANGE', list_key(qk, lane, p), 0, want - 1), 1
    end
  end
  while #popped < want do
    local best, best_rank
    for p = 9, 0, -1 do
      local entry = heads[p] and heads[p][at[p]]
      if entry then
        local rank = strict and -p or number(entry, 1, 6) - p * AGING
        if not best or rank < best_rank then best, best_rank = p, rank end
      end
    end
    if not best then break end
    popped[#popped + 1], priorities[#popped + 1] = heads[best][at[best]], best
    at[best] = at[best] + 1
  end
  for p, next in pairs(at) do
    if next > 1 then call('LPOP', list_key(qk, lane, p), next - 1) end
  end
  return popped, priorities
end

-- Takes the first entries out of a lane: what was taken, their priorities (one for
-- all, if they share it), how many it had, and what its entry in the hash is from now
-- on; nothing where it is empty.
local function pop_some(it, queue, lane, state, want)
  local qk = queue_key(it.tenant, queue)
  state = tonumber(state) or 0
  local mask, entries, popped, priorities = state % 1024, math.floor(state / 1024)
  if bit.band(mask, mask - 1) == 0 then
    local p = 0
    while bit.rshift(mask, p) > 1 do p = p + 1 end
    popped, priorities = call('LPOP', list_key(qk, lane, p), want) or {}, p
  else
    local limit = it.queues and limit_at(it, 'queue:' .. queue)
    popped, priorities = pop_best(qk, lane, mask, want, limit and limit[5] == 1)
    for p = 0, 9 do
      local is = bit.lshift(1, p)
      if bit.band(mask, is) ~= 0 and call('EXISTS', list_key(qk, lane, p)) == 0 then mask = mask - is end
    end
  end
  if entries <= #popped or #popped == 0 then return popped, priorities, #popped, nil end
  return popped, priorities, entries, (entries - #popped) * 1024 + mask
end

-- The same for one lane, whose entry in the hash is kept true: how many it had, what
-- was taken, and their priorities.
local function pop_lane(it, queue, lane, want)
  local key = queue_key(it.tenant, queue) .. ':lanes'
  local popped, priorities, entries, left = pop_some(it, queue, lane, call('HGET', key, lane), want)
  if left then call('HSET', key, lane, left) else call('HDEL', key, lane) end
  return entries, popped, priorities
end

-- Puts entries back where they were, from the `from`th on: their order is kept.
local function put_back(qk, lane, popped, priorities, from)
  local state = tonumber(call('HGET', qk .. ':lanes', lane)) or 0
  local mask, entries = state % 1024, math.floor(state / 1024)
  for i = #popped, from, -1 do
    local p = type(priorities) == 'table' and priorities[i] or priorities
    call('LPUSH', list_key(qk, lane, p), popped[i])
    mask = bit.bor(mask, bit.lshift(1, p))
    entries = entries + 1
  end
  call('HSET', qk .. ':lanes', lane, entries * 1024 + mask)
end
