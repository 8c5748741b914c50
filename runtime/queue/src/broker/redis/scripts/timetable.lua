-- Shared by the scripts that change schedules, behind the lanes.
local function schedule_key(tenant, name) return R .. tenant .. ':s:' .. name end

-- Puts a schedule where it is looked at, at that time; nil for never.
local function look_at(tenant, name, at)
  local member = tenant .. '\0' .. name
  call('ZREM', R .. '@fires', member)
  if at then expect('@fires', member, at) end
end

-- When to look at a schedule by what is kept of it.
local function next_look(due, paused)
  return paused ~= '1' and tonumber(due) or nil
end

-- A schedule waits for one of its tasks to complete, or no longer.
local function watch(tenant, name, needs, waits)
  for _, task in ipairs(needs) do call(waits and 'SADD' or 'SREM', R .. tenant .. ':watch:' .. task, name) end
end

local function needs_of(packed) return packed and packed ~= '' and cmsgpack.unpack(packed) or {} end

-- Whether a job has not ended yet.
local function is_live(tenant, id)
  if not id or id == '' then return false end
  local head = call('GETRANGE', job_key(tenant, id), 0, HEADER - 1)
  local state = state_of(head)
  return newer(head) or (state and state < COMPLETED)
end

-- Counts who looks at a task's completions: those without a look are not kept.
local function need(tenant, needs, by)
  for _, task in ipairs(needs) do
    local left = call('HINCRBY', R .. tenant .. ':needed', task, by)
    if left <= 0 then
      call('HDEL', R .. tenant .. ':needed', task)
      call('HDEL', R .. tenant .. ':watched', task)
    else
      call('HSETNX', R .. tenant .. ':watched', task, 0)
    end
  end
end

local function forget_schedule(tenant, name)
  local key = schedule_key(tenant, name)
  local known = call('HMGET', key, 'owner', 'needs', 'last')
  if not known[1] then return false end
  local needs = needs_of(known[2])
  watch(tenant, name, needs, false)
  need(tenant, needs, -1)
  if known[3] then call('SREM', R .. tenant .. ':then:' .. known[3], name) end
  look_at(tenant, name, nil)
  call('DEL', key, key .. ':fires')
  call('ZREM', R .. tenant .. ':schedules', name)
  call('SREM', R .. tenant .. ':of:' .. known[1], name)
  return true
end

-- Keeps a schedule. One that says what it said is left as it is.
local function keep_schedule(tenant, owner, name, spec, first, overlap, needs)
  local key = schedule_key(tenant, name)
  local known = call('HMGET', key, 'spec', 'paused', 'needs', 'held')
  if known[1] == spec then return end
  local before, after = needs_of(known[3]), needs_of(needs)
  watch(tenant, name, before, false)
  need(tenant, after, 1)
  need(tenant, before, -1)
  call('HSET', key, 'spec', spec, 'owner', owner, 'due', first, 'waiting', '', 'overlap', overlap, 'needs', needs)
  call('HINCRBY', key, 'revision', 1)
  call('ZADD', R .. tenant .. ':schedules', 0, name)
  call('SADD', R .. tenant .. ':of:' .. owner, name)
  call('SADD', R .. '@tenants', tenant)
  -- What is held may go on by now: its word may have come before this one.
  local holds = known[4] and known[4] ~= ''
  look_at(tenant, name, next_look(holds and now or first, known[2]))
end

-- All schedules of an owner that lie there in ARGV, five each: name, spec, first time
-- or '', letter of the overlap, tasks that it needs. Nothing happens where one of the
-- names is another's: that is the answer then.
local function declare(tenant, owner, at, last, whole)
  local kept = {}
  for i = at, last, 5 do
    local other = call('HGET', schedule_key(tenant, ARGV[i]), 'owner')
    if other and other ~= owner then return { 'taken', ARGV[i], other } end
    kept[ARGV[i]] = true
  end
  for i = at, last, 5 do
    keep_schedule(tenant, owner, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  end
  -- Behind them, so that what is known of a task's completion is not forgotten with the
  -- last schedule that went by it.
  for _, name in ipairs(whole and call('SMEMBERS', R .. tenant .. ':of:' .. owner) or {}) do
    if not kept[name] then forget_schedule(tenant, name) end
  end
end
