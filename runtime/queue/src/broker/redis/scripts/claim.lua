-- Hands out jobs: out of their lanes, into the worker's in-flight set, with the
-- delivery counted, in this one step.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', worker, claim number, max jobs, lease in ms, how many tenants are
--   passed over, these, then for each queue: name, share of the first round
-- Returns {now, targets, turn, …}; 'dead' where the worker was declared dead. A turn
--   is tenant, queue, us that each of its jobs was charged, ids one behind the other, for
--   each the place of its target (2 bytes), a list of the records, and one of the nodes whose results they take: for
--   each which of the turn's jobs takes it (4 bytes), its place (4) and its id in one,
--   and its record. Records are as they lay there: the caller writes the claim into its
--   copies.
local worker, claim, max = ARGV[2], ARGV[3], tonumber(ARGV[4])
if not renew(worker, tonumber(ARGV[5]), claim == '1') then return 'dead' end
local crowded, crowd = {}, tonumber(ARGV[6])
for i = 7, 6 + crowd do crowded[ARGV[i]] = true end
local QUEUES = 7 + crowd -- where they begin
local taken = 0
-- Lanes and entries that may be looked at: many may hold nothing that may start.
local budget = max + 1000

-- The jobs of the last claim, whose answer was lost: it is given again.
local function hand_out_again(jobs)
  for i = 1, #jobs, 4 do
    local turn, ids = turn_of(jobs[i], jobs[i + 1]), jobs[i + 2]
    turn.charge = jobs[i + 3]
    for at = 1, #ids, 16 do
      local id = sub(ids, at, at + 15)
      local record = call('GET', job_key(turn.tenant, id))
      local is_held = record and byte(record, 4) == RUNNING and sub(record, 9, 16) == worker
      if is_held then
        hand_out(turn, id, record, place_of_job(turn.tenant, record))
        local terms = terms_of(record)
        if terms.n then give(turn, terms) end
      end
    end
  end
end

local last_claim = worker_key(worker, 'claim')
local before = string.match(call('GETRANGE', last_claim, '0', '20'), '^%d+')
-- This one was long on its way: the worker has asked again and heard the answer, so
-- nobody would hear of what it takes.
if before and tonumber(before) > tonumber(claim) then return answer() end
if before == claim then
  hand_out_again(cmsgpack.unpack(sub(call('GET', last_claim), #claim + 2)))
  return answer()
end

local held, seen = {}, {}
local started = time6(now)

-- What a claim writes into a header, by the delivery before: most jobs share it.
local written = {}
local function claim_after(delivery)
  local bytes = written[delivery]
  if not bytes then
    bytes = char(RUNNING) .. struct.pack('<I4', number(delivery, 1, 4) + 1) .. worker .. started
    written[delivery] = bytes
  end
  return bytes
end

-- Starts an available job that all of its gates let pass.
local function start(turn, id, key, record, terms, gates)
  local tenant = turn.tenant
  call('SETRANGE', key, '3', claim_after(sub(record, 5, 8)))
  if gates[1] then
    local counted = byte(record, 53)
    for _, g in ipairs(gates) do counted = bit.bor(counted, pass(g)) end
    call('SETRANGE', key, '52', char(counted))
  end
  if terms.u and terms.m == 's' then let_go(tenant, id, ':u:', terms.u) end
  if terms.e or terms.x then call('ZREM', R .. tenant .. ':expiring', id) end
  held[#held + 1] = id .. tenant
  turn.started = turn.started + 1
  taken = taken + 1
  hand_out(turn, id, record, place_of_job(tenant, record))
  if terms.n then give(turn, terms) end
end

-- The terms of an entry's job, if that may be started; what else it is, is dealt with
-- here. One whose time is not the record's was left by an earlier stay. What
-- was read together is known from before the first of it began, hence `seen`.
local function startable(turn, id, key, entry, record)
  if seen[key] then return false end
  local tenant, queue, state = turn.tenant, turn.queue, state_of(record)
  if state == AVAILABLE and sub(record, 27, 32) == sub(entry, 1, 6) then
    seen[key] = true
    local terms = terms_of(record)
    local expiry = number(record, 23, 2) == 0 and expiry_of(record, terms)
    if not expiry or expiry > now then return terms end
    close(tenant, id, record, CANCELLED, EXPIRED)
  elseif newer(record) then
    delay(tenant, now + 1000, { id }) -- for a worker that knows its version
  elseif not state then
    -- Nobody could settle it: it goes to the dead list as it is.
    seen[key] = true
    call('ZADD', R .. tenant .. ':ended:' .. DISCARDED, now, id)
    call('HSET', R .. tenant .. ':unreadable', id, queue)
    count(tenant, queue, AVAILABLE, -1)
    count(tenant, queue, DISCARDED, 1)
    taken = taken + 1
    hand_out(turn, id, record, NO_TARGET)
  end -- or it ended, or moved, while it lay here
  return false
end

-- The gates of an entry's job: those of its lane, and where the lane is not that of
-- its task, the task's own; and the first that is closed, if one is.
local function gates_of_job(it, lane, record, gates)
  if sub(lane, 1, 1) == OWN then return gates end
  local module, _, _, _, _, at = route(record)
  local task = task_of(module, record, at)
  if not steps_aside(it, module, task) then return gates end
  return gates_of_task(it, gates, task)
end

-- Starts what may start of the entries that were taken out of a lane. In the
-- tenant's own lane a job whose task is at its limit steps aside; any other lane
-- waits as a whole, and this returns the gate that it waits for.
local function start_some(it, queue, lane, popped, priorities, gates)
  local tenant, turn = it.tenant, turn_of(it.tenant, queue)
  for from = 1, #popped, CHUNK do
    local ids, keys = {}, {}
    for i = 1, math.min(CHUNK, #popped - from + 1) do
      ids[i] = sub(popped[from + i - 1], 7)
      keys[i] = job_key(tenant, ids[i])
    end
    local records = call('MGET', unpack(keys))
    for i, id in ipairs(ids) do
      local at, record = from + i - 1, records[i]
      local terms = record and startable(turn, id, keys[i], popped[at], record)
      if terms then
        local all, closed = gates, nil
        if it.tasks then all, closed = gates_of_job(it, lane, record, gates) end
        if closed and lane ~= '' then
          put_back(queue_key(tenant, queue), lane, popped, priorities, at)
          return closed
        elseif closed or (lane == '' and all ~= gates and is_behind(tenant, queue, record)) then
          push_job(tenant, id, record, sub(record, 27, 32))
        else
          start(turn, id, keys[i], record, terms, all)
        end
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

-- Walks a ring of lanes: each in turn gets an even share of what is wanted, at least
-- four.
local function walk(it, queue, ring, want, outer)
  local members = call('LLEN', ring)
  local share = math.max(4, math.ceil(want / math.max(1, members)))
  while want > 0 and budget > 0 do
    local member = call('LINDEX', ring, '0')
    if not member then return end
    local before = taken
    if not take_lane(it, queue, member, math.min(want, share), outer) then
      call('LPOP', ring)
    elseif members > 1 then
      call('LMOVE', ring, ring, 'LEFT', 'RIGHT')
    end
    want = want - (taken - before)
  end
end

-- A turn of each of some lanes that are at the front of their ring. What is to be
-- read and written of all of them is a call each.
local function take_some(it, queue, ring, share, want, outer)
  local key, tenant = queue_key(it.tenant, queue) .. ':lanes', it.tenant
  local lanes = call('LPOP', ring, math.min(CHUNK, math.ceil(want / share))) or {}
  if not lanes[1] then return false end
  budget = budget - #lanes
  local states, all, known, stay, gone = call('HMGET', key, unpack(lanes)), {}, {}, {}, {}
  for i, lane in ipairs(lanes) do
    local popped, _, _, left = pop_some(it, queue, lane, states[i], math.min(share, want - #all))
    for at = 1, #popped do all[#all + 1] = popped[at] end
    if left then
      local n = #known
      known[n + 1], known[n + 2], stay[#stay + 1] = lane, left, lane
    else
      gone[#gone + 1] = lane
    end
  end
  if known[1] then call('HSET', key, unpack(known)) end
  if gone[1] then call('HDEL', key, unpack(gone)) end
  if stay[1] then call('RPUSH', ring, unpack(stay)) end
  budget = budget - #all
  start_some(it, queue, '', all, nil, outer)
  return true
end

-- Walks a ring of lanes as `walk` does, many at a time: where no task or lane has a
-- limit, nothing but the lane's own end ends its turn.
local function take_lanes(it, queue, ring, want, outer)
  while want > 0 and budget > 0 do
    local share = math.max(4, math.ceil(want / math.max(1, call('LLEN', ring))))
    local before = taken
    if not take_some(it, queue, ring, share, want, outer) then return end
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
  if it.tasks or it.lanes then
    walk(it, queue, lanes, share, outer)
  else
    take_lanes(it, queue, lanes, share, outer)
  end
  return call('EXISTS', lanes) == 1
end

-- Who is next in a queue, and its place: the first that is not passed over.
local function next_tenant(ring)
  local first = call('ZRANGE', ring, 0, crowd, 'WITHSCORES')
  for i = 1, #first, 2 do
    if not crowded[first[i]] then return first[i], tonumber(first[i + 1]) end
  end
end

-- A tenant's turn: as many jobs as its CPU time is worth, and no more than its share by
-- number. It is charged at once what they cost on average. Where it left the ring, its
-- place is returned, to be remembered.
local function take_turn(queue, tenant, place, most)
  local share, before = share_of(tenant), taken
  local worth = math.max(1, math.floor(WORTH / share.cost))
  local stays = take_tenant(limits_of(tenant), queue, math.min(most, worth))
  local after = place + (taken - before) * share.cost / share.weight
  if not stays then
    call('ZREM', ring_key(queue), tenant)
    return after
  end
  if after > place then call('ZADD', ring_key(queue), after, tenant) end
end

-- Hands out jobs of a queue, to its tenants by their CPU time.
local function take_queue(queue, want)
  local ring = ring_key(queue)
  local members = want > 0 and call('ZCARD', ring) or 0
  if members == 0 then return end
  -- Those who are not crowded are to be let in one by one.
  local share = math.max(crowd > 0 and 1 or 4, math.ceil(want / members))
  local clock, gone = 0, {}
  while want > 0 and budget > 0 do
    local tenant, place = next_tenant(ring)
    if not tenant then break end
    local before = taken
    clock = math.max(clock, place)
    local left = take_turn(queue, tenant, place, math.min(want, share))
    if left then gone[#gone + 1], gone[#gone + 2] = left, tenant end
    want = want - (taken - before)
  end
  call('ZADD', clock_key(queue), 'GT', clock, '')
  if gone[1] then
    each_batch('ZADD', clock_key(queue), gone)
    -- Where it has passed them, the clock itself says all.
    call('ZREMRANGEBYSCORE', clock_key(queue), '-inf', '(' .. string.format('%.17g', clock))
  end
end

for round = 1, 2 do
  for i = QUEUES, #ARGV, 2 do
    local share = round == 1 and tonumber(ARGV[i + 1]) or max
    take_queue(ARGV[i], math.min(share, max - taken))
  end
end
each_batch('SADD', worker_key(worker, 'held'), held)
local remembered = {}
for _, turn in ipairs(turns) do
  local n = #remembered
  remembered[n + 1], remembered[n + 2], remembered[n + 3] = turn.tenant, turn.queue, table.concat(turn.ids)
  remembered[n + 4] = turn.charge
  count(turn.tenant, turn.queue, AVAILABLE, -turn.started)
  count(turn.tenant, turn.queue, RUNNING, turn.started)
end
call('SET', last_claim, claim .. ' ' .. cmsgpack.pack(remembered))
-- A word to a worker that is busy would be lost on the idle ones. One that found
-- less than it wants because there was too much to look at, looks again.
local idle = taken < max and budget > 0 and 'SADD' or 'SREM'
local who = crowd > 0 and '@spare:' or '@idle:'
for i = QUEUES, #ARGV, 2 do call(idle, R .. who .. ARGV[i], worker) end
if taken < max and budget <= 0 then call('PUBLISH', KEYS[1] .. ':@w:' .. worker, 'work') end
flush_limits()
flush_finished()
flush_lanes()
flush_counts()
return answer()
