-- Shared by the scripts that end jobs, behind the terms: what a node's end is to its
-- flow (flows.rs). It is gathered, and written once a flow and script.
--
-- `live` counts a flow's nodes that are neither pending nor at their end, and the work
-- that is left to do for it: at zero nothing more happens by itself.
local FLOW_INLINE, FLOW_FREED = 50, 200 -- nodes that a joint frees at once, and a script
local COUNTS, HAD = { 'live', 'pending', 'done', 'failed' }, 5
local flows, flows_in_order, freed = {}, {}, 0

-- A flow by its id as people write it, as this script has changed it.
local function flow_of(tenant, id)
  local key = R .. tenant .. ':f:' .. id
  local f = flows[key]
  if not f then
    local has = call('HMGET', key, 'state', 'stop', 'turns', 'swept', 'forks', unpack(COUNTS))
    f = {
      tenant = tenant, id = id, key = key, state = has[1] or 'g', stop = has[2] or '',
      turns = tonumber(has[3]) or 0, swept = has[4] == '1', forks = has[5],
      -- What the counts were, from HAD on, and what this script makes of them.
      had = has, live = 0, pending = 0, done = 0, failed = 0, left = {}, alarms = {},
    }
    flows[key] = f
    flows_in_order[#flows_in_order + 1] = f
  end
  return f
end

-- Whoever waits for a job's or a flow's end hears of it. An id may be another tenant's as
-- well, so its own stands before it. A process of an earlier Lovage listens to a channel
-- of another kind and is told the id alone: it looks by itself.
local function tell_end(tenant, id, word)
  local waiters, root = R .. tenant .. ':w:' .. id, #KEYS[1]
  for _, channel in ipairs(call('SMEMBERS', waiters)) do
    local whole = sub(channel, root + 1, root + 4) == ':@t:'
    call('PUBLISH', channel, whole and '\255' .. char(#tenant) .. tenant .. id .. word or id)
  end
  call('DEL', waiters)
end

-- A node ends; whether it was cancelled with its flow.
local function end_node(tenant, state, before, terms)
  local f = flow_of(tenant, terms.w)
  if before == 0 then f.pending = f.pending - 1 else f.live = f.live - 1 end
  if state == CANCELLED and f.stop ~= '' then return true end
  if state == COMPLETED or terms.p == 'g' then
    f.done = f.done + 1
    if terms.j then f.left[terms.j] = (f.left[terms.j] or 0) + 1 end
    return false
  end
  f.failed = f.failed + 1
  if terms.h then f.alarms[terms.h] = true end
  f.halt = f.halt or terms.p == 's'
  return false
end

-- Leaves to promote what is more than one step should do. `kind` as work.lua has it.
local function leave_work(f, kind, joint)
  f.live = f.live + 1
  call('RPUSH', R .. '@freeing', cmsgpack.pack({ f.tenant, f.id, kind, joint or f.turns, 0 }))
  call('PUBLISH', KEYS[1] .. ':@all', 'due')
end

-- One that a node waited for is there; frees it if that was the last.
local function free_node(f, id)
  freed = freed + 1
  local tenant, head = f.tenant, head_of(f.tenant, id)
  local state, key = state_of(head), job_key(f.tenant, id)
  if not state then return end
  local terms = terms_of(head)
  if f.forks and terms.p ~= 'h' and call('HEXISTS', f.key .. ':waits', id) == 1
    and call('HINCRBY', f.key .. ':waits', id, -1) > 0 then return end
  -- It comes back available, if it does.
  if state == CANCELLED and number(head, 27, 6) == 0 then call('SETRANGE', key, 26, time6(now)) end
  if state ~= 0 then return end
  local due = now + (terms.d or 0)
  state = due > now and SCHEDULED or AVAILABLE
  f.pending, f.live = f.pending - 1, f.live + 1
  -- What is relative to the enqueueing counts from now.
  call('SETRANGE', key, '3', char(state) .. sub(head, 5, 26) .. time6(due) .. sub(head, 33, 46) .. time6(now))
  if state == SCHEDULED then delay(tenant, due, { id }) end
  local queue = state == AVAILABLE and push_job(tenant, id, head, time6(due)) or queue_of(head)
  count(tenant, queue, 0, -1)
  count(tenant, queue, state, 1)
  if terms.x then
    call('ZADD', R .. tenant .. ':expiring', now + terms.x, id)
    expect('@due', tenant, now + terms.x)
  end
end

-- Nobody is waited for any more: what waits for a joint is free.
local function free_joint(f, joint)
  local list = f.key .. ':out:' .. joint
  -- One command for all of them: mostly there are few, and then the list is gone.
  local nodes = call('LPOP', list, FLOW_INLINE + 1)
  if not nodes then return end
  if #nodes > FLOW_INLINE or freed + #nodes > FLOW_FREED then
    for i = #nodes, 1, -1 do call('LPUSH', list, nodes[i]) end
    return leave_work(f, 'f', joint)
  end
  for _, id in ipairs(nodes) do free_node(f, id) end
end

-- Lets a flow begin; a number as hold_flow.lua answers.
local function start_flow(f)
  if f.state ~= 'b' or f.stop ~= '' then return 0 end
  local has = call('HMGET', f.key, 'added', 'nodes')
  if has[1] ~= has[2] then return -2 end
  f.state = 'r'
  call('HSET', f.key, 'state', 'r')
  call('ZREM', R .. f.tenant .. ':flows:going', f.id)
  free_joint(f, 'start')
  return 1
end

local function end_flow(f, failed)
  f.state = f.stop == 'c' and 'x' or failed > 0 and 'f' or 'c'
  call('HSET', f.key, 'state', f.state, 'ended', now)
  local keep = call('HGET', f.key, 'keep')
  if keep then
    call('ZADD', R .. f.tenant .. ':flows:going', now + keep, f.id)
  else
    call('ZADD', R .. f.tenant .. ':flows:ended:' .. (f.state == 'f' and 'f' or 'c'), now, f.id)
  end
  tell_end(f.tenant, unhex(f.id), '')
end

-- A flow is stopped, or goes on: '' for that.
local function turn(f, stop)
  f.stop, f.turns, f.swept = stop, f.turns + 1, false
  call('HSET', f.key, 'stop', stop, 'turns', f.turns, 'swept', 0)
end

-- Writes those of a flow's counts that have changed.
local function flush_numbers(f)
  local changed = {}
  for i, name in ipairs(COUNTS) do
    if f[name] ~= 0 then
      local n = #changed
      changed[n + 1], changed[n + 2] = name, f.had[HAD + i] + f[name]
    end
  end
  if changed[1] then call('HSET', f.key, unpack(changed)) end
end

local function flush_flow(f)
  for joint, ended in pairs(f.left) do
    if call('HINCRBY', f.key .. ':left', joint, -ended) == 0 then free_joint(f, joint) end
  end
  for joint in pairs(f.alarms) do free_joint(f, joint) end
  if f.halt and f.stop == '' then
    turn(f, 'u')
    leave_work(f, 'u')
  end
  local pending, failed = f.had[HAD + 2] + f.pending, f.had[HAD + 4] + f.failed
  local over = f.state == 'r' and f.had[HAD + 1] + f.live == 0
  -- What is pending after that cannot be read.
  local sweep = over and pending > 0 and not f.swept
  if sweep then
    if f.stop == '' then turn(f, 'b') end
    leave_work(f, 'b')
    call('HSET', f.key, 'swept', 1)
  end
  flush_numbers(f)
  if over and not sweep then end_flow(f, failed) end
end

local function flush_flows()
  for _, f in ipairs(flows_in_order) do
    -- A flow that is on its way out counts nothing any more.
    if f.state ~= 'g' then flush_flow(f) end
  end
end
