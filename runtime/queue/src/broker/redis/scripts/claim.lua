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
local answer, taken, targets = { now }, 0, {}

local function target(tenant, record)
  local module, _, _, pin = route(record)
  if #pin == 32 then
    return call('EXISTS', R .. tenant .. ':m:' .. pin) == 1 and '\0\0\0\0' .. pin or ''
  elseif #pin == 4 then
    local release = call('HGET', R .. tenant .. ':rel:' .. module, number(pin, 1, 4))
    return release and pin .. sub(release, 1, 32) or ''
  end
  local key = tenant .. ':' .. module
  if not targets[key] then targets[key] = call('HGET', R .. tenant .. ':active', module) or '' end
  return targets[key]
end

local function hand_out(tenant, queue, id, record)
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = tenant, queue, id, record
  answer[n + 5] = readable(record) and target(tenant, record) or ''
end

-- A repeated number: the answer was lost, so it is given again.
local last = call('GET', worker_key(worker, 'claim'))
if last then
  local before, jobs = unpack(cmsgpack.unpack(last))
  if before == claim then
    for i = 1, #jobs, 3 do
      local record = call('GET', job_key(jobs[i], jobs[i + 2]))
      if record and byte(record, 4) == RUNNING and sub(record, 9, 16) == worker then
        hand_out(jobs[i], jobs[i + 1], jobs[i + 2], record)
      end
    end
    return answer
  end
end

local held, remembered, unreadable = {}, {}, {}
local started = time6(now)

local function take_entry(tenant, queue, entry)
  local id = sub(entry, 7)
  local key = job_key(tenant, id)
  local record = call('GET', key)
  if not record then return end
  if not readable(record) then
    -- Nobody could settle it: it goes to the dead list as it is.
    gather(unreadable, R .. tenant .. ':f:' .. DISCARDED, id .. queue)
    count(tenant, queue, DISCARDED, 1)
  elseif byte(record, 4) == AVAILABLE then
    local delivery = struct.pack('<I4', number(record, 5, 4) + 1)
    call('SETRANGE', key, 3, char(RUNNING) .. delivery .. worker .. started)
    held[#held + 1] = id .. tenant
    local n = #remembered
    remembered[n + 1], remembered[n + 2], remembered[n + 3] = tenant, queue, id
    count(tenant, queue, RUNNING, 1)
  else
    return -- ended or moved while it lay here
  end
  count(tenant, queue, AVAILABLE, -1)
  taken = taken + 1
  hand_out(tenant, queue, id, record)
end

-- The best `want` entries of a lane, in order of rank; they leave their lists.
-- Each list is in order of availability, so only heads need to be compared.
local function pop_lane(list, mask, want)
  if bit.band(mask, mask - 1) == 0 then
    local p = 0
    while bit.rshift(mask, p) > 1 do p = p + 1 end
    return call('LPOP', list(p), want) or {}
  end
  local heads, at, popped = {}, {}, {}
  for p = 0, 9 do
    if bit.band(mask, bit.lshift(1, p)) ~= 0 then heads[p], at[p] = call('LRANGE', list(p), 0, want - 1), 1 end
  end
  while #popped < want do
    local best, best_rank
    for p = 9, 0, -1 do
      local entry = heads[p] and heads[p][at[p]]
      if entry then
        local rank = number(entry, 1, 6) - p * AGING
        if not best or rank < best_rank then best, best_rank = p, rank end
      end
    end
    if not best then break end
    popped[#popped + 1] = heads[best][at[best]]
    at[best] = at[best] + 1
  end
  for p, next in pairs(at) do
    if next > 1 then call('LPOP', list(p), next - 1) end
  end
  return popped
end

-- A turn of one lane; true while it holds more.
local function take_lane(tenant, queue, lane, want)
  local qk = queue_key(tenant, queue)
  local function list(p) return qk .. ':l:' .. p .. ':' .. lane end
  local state = tonumber(call('HGET', qk .. ':lanes', lane)) or 0
  local mask, entries = state % 1024, math.floor(state / 1024)
  local popped = pop_lane(list, mask, want)
  for _, entry in ipairs(popped) do take_entry(tenant, queue, entry) end
  entries = entries - #popped
  if entries <= 0 or #popped == 0 then
    call('HDEL', qk .. ':lanes', lane)
    return false
  end
  if bit.band(mask, mask - 1) ~= 0 then
    for p = 0, 9 do
      local is = bit.lshift(1, p)
      if bit.band(mask, is) ~= 0 and call('EXISTS', list(p)) == 0 then mask = mask - is end
    end
  end
  call('HSET', qk .. ':lanes', lane, entries * 1024 + mask)
  return true
end

-- Walks a ring: each member in turn gets an even share of what is wanted, at
-- least four; `turn` says whether it stays.
local function walk(ring, want, turn)
  local share = math.max(4, math.ceil(want / math.max(1, call('LLEN', ring))))
  while want > 0 do
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

local function take_queue(queue, want)
  walk(R .. '@ring:' .. queue, want, function(tenant, share)
    local lanes = queue_key(tenant, queue) .. ':ring'
    walk(lanes, share, function(lane, turn) return take_lane(tenant, queue, lane, turn) end)
    return call('EXISTS', lanes) == 1
  end)
end

for round = 1, 2 do
  for i = 6, #ARGV, 2 do
    local share = round == 1 and tonumber(ARGV[i + 1]) or max
    take_queue(ARGV[i], math.min(share, max - taken))
  end
end
-- A word to a worker that is busy would be lost on the idle ones.
local idle = taken == 0 and 'SADD' or 'SREM'
for i = 6, #ARGV, 2 do call(idle, R .. '@idle:' .. ARGV[i], worker) end
each_batch('SADD', worker_key(worker, 'held'), held)
for key, ids in pairs(unreadable) do each_batch('RPUSH', key, ids) end
call('SET', worker_key(worker, 'claim'), cmsgpack.pack({ claim, remembered }))
flush_counts()
return answer
