-- Hands out jobs: out of their lanes, into the worker's in-flight set, with the
-- delivery counted, in this one step.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', worker, claim number, max jobs, lease in ms, then for each
--   queue: name, share of the first round
-- Returns {now, job, …}, a job being tenant, queue, id, record, target (release
--   number and digest, or ''); 'dead' where the worker was declared dead. The
--   record is as it lay there: the caller writes the claim into its copy.
local worker, claim, max = ARGV[2], ARGV[3], tonumber(ARGV[4])
if not renew(worker, tonumber(ARGV[5]), claim == '1') then return 'dead' end
local answer, taken = { now }, 0
-- Lanes and entries that may be looked at: many may hold nothing that may start.
local budget = max + 1000

-- A repeated number: the answer was lost, so it is given again.
local last = call('GET', worker_key(worker, 'claim'))
if last then
  local before, jobs = unpack(cmsgpack.unpack(last))
  -- It was long on its way: the worker has asked again and heard the answer, so
  -- nobody would hear of what this one takes.
  if tonumber(before) > tonumber(claim) then return answer end
  if before == claim then
    for i = 1, #jobs, 3 do
      local record = call('GET', job_key(jobs[i], jobs[i + 2]))
      if record and byte(record, 4) == RUNNING and sub(record, 9, 16) == worker then
        hand_out(answer, jobs[i], jobs[i + 1], jobs[i + 2], record)
      end
    end
    return answer
  end
end

local held, remembered = {}, {}
local started = time6(now)

-- Starts an available job that all of its gates let pass.
local function start(tenant, queue, id, record, gates)
  local key, flags = job_key(tenant, id), byte(record, 53)
  local delivery = struct.pack('<I4', number(record, 5, 4) + 1)
  call('SETRANGE', key, 3, char(RUNNING) .. delivery .. worker .. started)
  local counted = flags
  for _, g in ipairs(gates) do counted = bit.bor(counted, pass(g)) end
  if counted ~= flags then call('SETRANGE', key, 52, char(counted)) end
  if byte(record, 1) > 1 then
    local terms = terms_of(record)
    if terms.u and terms.m == 's' then let_go(tenant, id, ':u:', terms.u) end
    if terms.e or terms.x then call('ZREM', R .. tenant .. ':expiring', id) end
  end
  held[#held + 1] = id .. tenant
  local n = #remembered
  remembered[n + 1], remembered[n + 2], remembered[n + 3] = tenant, queue, id
  count(tenant, queue, AVAILABLE, -1)
  count(tenant, queue, RUNNING, 1)
  taken = taken + 1
  hand_out(answer, tenant, queue, id, record)
end

-- Whether an entry is that of a job that may be started; what else it is, is dealt
-- with here. One whose time is not the record's was left by an earlier stay.
local function is_startable(tenant, queue, entry, record)
  local id = sub(entry, 7)
  if newer(record) then
    delay(tenant, id, now + 1000) -- for a worker that knows its version
  elseif not readable(record) then
    -- Nobody could settle it: it goes to the dead list as it is.
    call('ZADD', R .. tenant .. ':ended:' .. DISCARDED, now, id)
    call('HSET', R .. tenant .. ':unreadable', id, queue)
    count(tenant, queue, AVAILABLE, -1)
    count(tenant, queue, DISCARDED, 1)
    taken = taken + 1
    hand_out(answer, tenant, queue, id, record)
  elseif byte(record, 4) == AVAILABLE and sub(record, 27, 32) == sub(entry, 1, 6) then
    local expiry = byte(record, 1) > 1 and number(record, 23, 2) == 0 and expiry_of(record, terms_of(record))
    if not expiry or expiry > now then return true end
    close(tenant, id, record, CANCELLED, EXPIRED)
  end -- or it ended, or moved, while it lay here
  return false
end

-- The gates of an entry's job: those of its lane, and where the lane is not that of
-- its task, the task's own; and the first that is closed, if one is.
local function gates_of_job(it, lane, record, gates)
  if not it.tasks or sub(lane, 1, 1) == OWN then return gates end
  local module, _, _, _, _, at = route(record)
  local task = task_of(module, record, at)
  if not steps_aside(it, module, task) then return gates end
  return gates_of_task(it, gates, task)
end

-- Starts what may start of the entries that were taken out of a lane. In the
-- tenant's own lane a job whose task is at its limit steps aside; any other lane
-- waits as a whole, and this returns the gate that it waits for.
local function start_some(it, queue, lane, popped, priorities, gates)
  local tenant, qk = it.tenant, queue_key(it.tenant, queue)
  for i, entry in ipairs(popped) do
    local id = sub(entry, 7)
    local record = call('GET', job_key(tenant, id))
    if record and is_startable(tenant, queue, entry, record) then
      local all, closed = gates_of_job(it, lane, record, gates)
      if closed and lane ~= '' then
        put_back(qk, lane, popped, priorities, i)
        return closed
      elseif closed or (lane == '' and all ~= gates and is_behind(tenant, queue, record)) then
        push_job(tenant, id, record, number(record, 27, 6))
      else
        start(tenant, queue, id, record, all)
      end
    end
  end
end

-- A turn of one lane; true while it holds more that may start.
local function take_lane(it, queue, lane, want, outer)
  local gates, closed = lane_gates(it, queue, lane, outer)
  budget = budget - 1
  for _, g in ipairs(gates) do want = math.min(want, room(g)) end
  local goal, more = taken + want, not closed
  while more and not closed and taken < goal and budget > 0 do
    local entries, popped, priorities = pop_lane(it, queue, lane, goal - taken)
    budget = budget - #popped
    closed = start_some(it, queue, lane, popped, priorities, gates)
    more = entries > #popped
  end
  if closed then return park(closed, queue, lane) end
  return more
end

-- Walks a ring: each member in turn gets an even share of what is wanted, at
-- least four; `turn` says whether it stays.
local function walk(ring, want, turn)
  local share = math.max(4, math.ceil(want / math.max(1, call('LLEN', ring))))
  while want > 0 and budget > 0 do
    local member = call('LINDEX', ring, 0)
    if not member then return end
    local before = taken
    if turn(member, math.min(want, share)) then
      call('LMOVE', ring, ring, 'LEFT', 'RIGHT')
    else
      call('LPOP', ring)
    end
    want = want - (taken - before)
  end
end

-- A turn of a tenant in a queue; true while it has more there that may start.
local function take_tenant(it, queue, share)
  local lanes = queue_key(it.tenant, queue) .. ':ring'
  local outer = {}
  budget = budget - 1
  for _, scope in ipairs({ 'tenant', it.queues and 'queue:' .. queue or nil }) do
    local g = gate(it, scope)
    if g and room(g) <= 0 then return park(g, queue) end
    if g then
      outer[#outer + 1] = g
      share = math.min(share, room(g))
    end
  end
  walk(lanes, share, function(lane, turn) return take_lane(it, queue, lane, turn, outer) end)
  return call('EXISTS', lanes) == 1
end

local function take_queue(queue, want)
  walk(R .. '@ring:' .. queue, want, function(tenant, share)
    return take_tenant(limits_of(tenant), queue, share)
  end)
end

for round = 1, 2 do
  for i = 6, #ARGV, 2 do
    local share = round == 1 and tonumber(ARGV[i + 1]) or max
    take_queue(ARGV[i], math.min(share, max - taken))
  end
end
each_batch('SADD', worker_key(worker, 'held'), held)
call('SET', worker_key(worker, 'claim'), cmsgpack.pack({ claim, remembered }))
-- A word to a worker that is busy would be lost on the idle ones. One that found
-- nothing because there was too much to look at, looks again.
local idle = taken == 0 and budget > 0 and 'SADD' or 'SREM'
for i = 6, #ARGV, 2 do call(idle, R .. '@idle:' .. ARGV[i], worker) end
if taken == 0 and budget <= 0 then call('PUBLISH', KEYS[1] .. ':@w:' .. worker, 'work') end
flush_limits()
flush_finished()
flush_lanes()
flush_counts()
return answer
