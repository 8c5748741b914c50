-- Deletes a tenant, some of it a call.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, how many keys are looked at, for how many ms it is asked to stop
-- Returns 'missing', 'more' or 'done'.
--
-- Where it stands lies in @leaving: since when, and '-' while its jobs are asked to stop,
-- then 'q' while it is taken out of what it shares with others, then the cursor of the
-- walk over all keys. The mark goes last: while it is there nothing new of it is written,
-- so the walk meets whatever there is.
local tenant, limit, lingers = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local marks, own = R .. '@leaving', R .. tenant .. ':'
local mark = call('HGET', marks, tenant)

local function stand(at) call('HSET', marks, tenant, string.match(mark, '^%d+') .. ' ' .. at) end

local function begin()
  local known = call('SISMEMBER', R .. '@tenants', tenant) == 1 or call('ZSCORE', R .. '@records', tenant)
  if not known then return false end
  local quota = quota_of(tenant) or { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  quota[9], quota[10] = 1, 1
  call('HSET', own .. 'limits', '#quota', cmsgpack.pack(quota))
  tenants_limits[tenant] = nil
  mark = now .. ' -'
  call('HSET', marks, tenant, mark)
  return true
end

-- Every job that runs, and who holds it.
local function each_held(visit)
  for _, worker in ipairs(call('ZRANGE', R .. '@leases', 0, -1)) do
    for _, job in ipairs(call('SMEMBERS', worker_key(worker, 'held'))) do
      if sub(job, 17) == tenant then visit(worker, job, sub(job, 1, 16)) end
    end
  end
end

-- A worker's last claim, which may be asked for again, without these jobs.
local function forget_claim(worker)
  local key = worker_key(worker, 'claim')
  local whole = call('GET', key)
  local number = whole and string.match(whole, '^%d+ ')
  if not number then return end
  local turns, left = cmsgpack.unpack(sub(whole, #number + 1)), {}
  for i = 1, #turns, 4 do
    if turns[i] ~= tenant then
      local n = #left
      left[n + 1], left[n + 2], left[n + 3], left[n + 4] = turns[i], turns[i + 1], turns[i + 2], turns[i + 3]
    end
  end
  if #left < #turns then call('SET', key, number .. cmsgpack.pack(left)) end
end

-- What all share: what is in nobody's hands, and what anybody might take up.
local function take_out()
  each_held(function(worker, job, id)
    call('PUBLISH', KEYS[1] .. ':@w:' .. worker, 'cancel' .. id .. tenant)
    call('SREM', worker_key(worker, 'held'), job)
    call('UNLINK', job_key(tenant, id), note_key(tenant, id))
  end)
  for _, worker in ipairs(call('ZRANGE', R .. '@leases', 0, -1)) do forget_claim(worker) end
  for _, packed in ipairs(call('LRANGE', R .. '@freeing', 0, -1)) do
    if cmsgpack.unpack(packed)[1] == tenant then call('LREM', R .. '@freeing', 0, packed) end
  end
  for _, staged in ipairs(call('HKEYS', R .. '@staged')) do
    if sub(staged, 33) == tenant then
      call('HDEL', R .. '@staged', staged)
      call('DEL', R .. '@staged:' .. staged)
    end
  end
  call('ZREM', R .. '@due', tenant)
  call('SREM', R .. '@tenants', tenant)
  for _, queue in ipairs(call('SPOP', own .. 'queues', limit)) do
    call('ZREM', ring_key(queue), tenant)
    call('ZREM', clock_key(queue), tenant)
  end
  local schedules = call('ZPOPMIN', own .. 'schedules', limit)
  for i = 1, #schedules, 2 do call('ZREM', R .. '@fires', tenant .. '\0' .. schedules[i]) end
  if call('EXISTS', own .. 'queues', own .. 'schedules') == 0 then stand('0') end
end

-- One of its keys goes, and what elsewhere stands for it.
local function drop(key)
  local kind, name = string.match(sub(key, #own + 1), '^(%l+):(.*)$')
  if kind == 'wait' then call('ZREM', R .. '@waits', tenant .. '\0' .. name) end
  if kind == 'w' then tell_end(tenant, name, '') end
  if kind == 'then' or kind == 'watch' then
    for _, schedule in ipairs(call('SMEMBERS', key)) do call('ZREM', R .. '@fires', tenant .. '\0' .. schedule) end
  end
  call('UNLINK', key)
end

local function walk(cursor)
  for _ = 1, math.max(1, math.floor(limit / 100)) do
    local found = call('SCAN', cursor, 'MATCH', own .. '*', 'COUNT', 100)
    cursor = found[1]
    for _, key in ipairs(found[2]) do
      if key ~= own .. 'limits' then drop(key) end
    end
    if cursor == '0' then break end
  end
  if cursor ~= '0' then return stand(cursor) end
  call('UNLINK', own .. 'limits')
  call('ZREM', R .. '@records', tenant)
  call('SREM', R .. '@tenants', tenant)
  call('HDEL', marks, tenant)
  return true
end

if not mark and not begin() then return 'missing' end
local since, at = string.match(mark, '^(%d+) (.*)$')
if at == '-' then
  each_held(function(_, _, id) cancel(tenant, id) end)
  if now - tonumber(since) >= lingers then stand('q') end
elseif at == 'q' then
  take_out()
elseif walk(at) then
  return 'done'
end
return 'more'
