-- Shared by the scripts that make jobs, behind cancel_one.
--
-- A batch in ARGV is groups of jobs that are alike: queue, lane, version, priority
-- and crash limit as bytes, delay in ms, time instead or 0, how many, then for each:
-- id, and its record from the flags on.
--
-- What a batch comes to: its groups; the jobs whose place these take; by the place in
-- ARGV, the job that is there instead of one that is not made, and the terms of one
-- that is; the keys that its own jobs take; the answer.
local tenant_of_batch, it_of_batch, groups, replaced, instead, terms_at, taken, seen, letters, ids
-- Whether nothing may be refused: the jobs are part of what was accepted before.
local lenient
local FLAGS_AT = 52 -- bytes of a record before its flags

local function read_groups(at, last)
  while at <= last do
    local group = { queue = ARGV[at], lane = ARGV[at + 1], kind = ARGV[at + 2], from = at + 6 }
    group.available = math.max(now + tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]))
    group.to = group.from + 2 * tonumber(ARGV[at + 5]) - 2
    groups[#groups + 1] = group
    at = group.to + 2
  end
end

-- What a call's terms come to; a refusal of the whole batch, if they do not allow it.
local function judge(i)
  local tenant, id = tenant_of_batch, ARGV[i]
  -- The same job again, of an earlier batch or of this one.
  if taken['i' .. id] or call('EXISTS', job_key(tenant, id)) == 1 then return end
  taken['i' .. id] = id
  -- Version, and whatever: the route begins behind the header.
  local terms = terms_of('\2' .. string.rep('\0', 51) .. sub(ARGV[i + 1], 1, 1400))
  if terms.k then
    local first = taken['k' .. terms.k] or call('GET', R .. tenant .. ':k:' .. terms.k)
    if first then instead[i] = first; return end
  end
  if terms.u then
    local first = taken['u' .. terms.u] or holder(tenant, terms.u)
    if first and terms.c == 'e' then instead[i] = first; return end
    if first and terms.c == 'r' then
      if not lenient then return { 'duplicate', first } end
      instead[i] = first
      return
    end
    if first then replaced[#replaced + 1] = first end
  end
  local digest = terms.b and unhex(terms.b)
  -- A job without its input is discarded when it runs, and says so.
  if digest and not blob_of(tenant, digest) and not lenient then return { 'missing', terms.b } end
  terms.b = digest
  terms_at[i] = terms
  if terms.k then taken['k' .. terms.k] = id end
  if terms.u then taken['u' .. terms.u] = id end
end

-- Jobs of version 1 have no terms.
local function judge_all()
  for _, group in ipairs(groups) do
    local plain = byte(group.kind, 1) == 1
    for i = group.from, plain and 0 or group.to, 2 do
      local refused = judge(i)
      if refused then return refused end
    end
  end
end

-- Only queues with a depth pay for it.
local function depth_of(queue)
  local limit = it_of_batch.queues and limit_at(it_of_batch, 'queue:' .. queue)
  return limit and limit[4] > 0 and limit[4] - 1
end

local function check_depths()
  local tenant, added = tenant_of_batch, {}
  for _, group in ipairs(groups) do
    if depth_of(group.queue) then
      for i = group.from, group.to, 2 do
        local is_new = not instead[i] and call('EXISTS', job_key(tenant, ARGV[i])) == 0
        added[group.queue] = (added[group.queue] or 0) + (is_new and 1 or 0)
      end
    end
  end
  for queue, more in pairs(added) do
    local waiting = 0
    for _, jobs in ipairs(call('HMGET', queue_key(tenant, queue) .. ':n', SCHEDULED, AVAILABLE, RETRYABLE)) do
      waiting = waiting + tonumber(jobs or 0)
    end
    if more > 0 and waiting + more > depth_of(queue) then return { 'full', queue, waiting, depth_of(queue) } end
  end
end

-- Only tenants with a quota pay for it. What is there already, or not made, is not new.
local function check_quota()
  local tenant, quota = tenant_of_batch, it_of_batch.quota
  if not quota then return end
  local jobs, bytes, met = 0, 0, {}
  for _, group in ipairs(groups) do
    for i = group.from, group.to, 2 do
      local id = ARGV[i]
      if not instead[i] and not met[id] and call('EXISTS', job_key(tenant, id)) == 0 then
        jobs, bytes, met[id] = jobs + 1, bytes + FLAGS_AT + #ARGV[i + 1], true
      end
    end
  end
  return against(tenant, quota, jobs, bytes)
end

-- A new job takes what its terms name.
local function agree(id, record, terms)
  local tenant = tenant_of_batch
  if terms.k then call('SET', R .. tenant .. ':k:' .. terms.k, id) end
  if terms.u then hold(tenant, id, terms) end
  if terms.b then refer(tenant, id, terms.b) end
  if terms.o then count_open(tenant, terms.o, 1) end
  local expiry = expiry_of(record, terms)
  if expiry then
    call('ZADD', R .. tenant .. ':expiring', expiry, id)
    expect('@due', tenant, expiry)
  end
end

-- Puts a new job where it waits.
local function place(group, id, record)
  local delayed = group.delayed
  if delayed then
    delayed[#delayed + 1] = id
  elseif it_of_batch.tasks then
    push_job(tenant_of_batch, id, record, group.since)
  else
    push(tenant_of_batch, group.queue, group.lane, group.priority, group.since, id)
  end
end

-- Some jobs of a group, from there to there in ARGV.
local function add_some(group, from, to)
  local keys, written, bytes = {}, {}, 0
  for i = from, to, 2 do keys[#keys + 1] = job_key(tenant_of_batch, ARGV[i]) end
  local some_exist = call('EXISTS', unpack(keys)) > 0
  for i = from, to, 2 do
    local id, key, letter = ARGV[i], keys[(i - from) / 2 + 1], 'n'
    if instead[i] then
      letter, ids[#ids + 1] = 'i', instead[i]
    elseif seen[id] or (some_exist and call('EXISTS', key) == 1) then
      letter = 'x'
    else
      seen[id] = true
      local n, record = #written, group.head .. ARGV[i + 1]
      written[n + 1], written[n + 2], bytes = key, record, bytes + #record
      if terms_at[i] then agree(id, record, terms_at[i]) end
      place(group, id, record)
    end
    letters[#letters + 1] = letter
  end
  if written[1] then call('MSET', unpack(written)) end
  store(tenant_of_batch, bytes)
  group.new = group.new + #written / 2
end

local function add_group(group)
  local tenant, state = tenant_of_batch, group.available > now and SCHEDULED or AVAILABLE
  group.since, group.new, group.priority = time6(group.available), 0, byte(group.kind, 2)
  group.delayed = state == SCHEDULED and {} or nil
  -- Offsets as in record.rs: worker, times and counters are still zero.
  group.head = group.kind .. char(state) .. string.rep('\0', 22) .. group.since .. string.rep('\0', 14) .. time6(now)
  for i = group.from, group.to, 2 * CHUNK do add_some(group, i, math.min(i + 2 * CHUNK - 2, group.to)) end
  if group.new > 0 then
    if group.delayed then delay(tenant, group.available, group.delayed) end
    call('SADD', R .. tenant .. ':queues', group.queue)
    count(tenant, group.queue, state, group.new)
  end
end

-- Adds the batch that lies there in ARGV, all of it or nothing: what can be refused
-- is refused before the first write. Answers as enqueue.lua does; whoever calls
-- flushes. With `all` nothing is refused.
local function add(tenant, at, last, all)
  tenant_of_batch, it_of_batch, lenient = tenant, limits_of(tenant), all
  groups, replaced, instead, terms_at, taken, seen, letters, ids = {}, {}, {}, {}, {}, {}, {}, {}
  read_groups(at, last)
  local refused = judge_all() or (not lenient and (check_depths() or check_quota()))
  if refused then return refused end
  call('SADD', R .. '@tenants', tenant)
  for _, group in ipairs(groups) do add_group(group) end
  for _, id in ipairs(replaced) do cancel(tenant, id) end
  return { 'ok', table.concat(letters), table.concat(ids) }
end
