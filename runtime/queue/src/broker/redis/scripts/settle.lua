-- Ends deliveries. It is worse to lose a job than to run it twice, and worse to
-- write a result over another than to drop it: hence the fence.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', worker, then groups of settlements that are alike: tenant, queue,
--   action (c r d x g p), wait in ms, failed runs to add, what more there is, what
--   they cost or '', how many, how many arguments the children take, how many flows begin;
--   then for each: id, delivery (4 bytes) and fuel (8) in one, the attempt's entry or '';
--   then the children, a batch (add.lua), and the flows, which only a group of one job
--   has
--   More: the digest of the result's blob or ''; of a page (p) how many of its jobs may be
--   left when the next one is made (4 bytes), the source's id as people write it, and its
--   checkpoint.
--   Cost: CPU time and what claim charged, in us (8 bytes each), how many attempts (4), of
--   all of them together.
-- Returns one character a settlement: 'r' recorded, 's' stale, 'm' missing.
local worker = ARGV[2]
local answer, left = {}, {}
local ends = { c = COMPLETED, d = DISCARDED, x = CANCELLED }
local NOW, NO_FUEL = time6(now), string.rep('\0', 8)

-- A header's delivery and worker, by the delivery.
local fences = {}
local function fence_of(delivery)
  local fence = fences[delivery]
  if not fence then fence = delivery .. worker; fences[delivery] = fence end
  return fence
end

-- A record with other flags.
local function flagged(record, flags) return sub(record, 1, 52) .. char(flags) .. sub(record, 54) end

-- Where a job goes that is not at its end, and since when it is available there.
local function move(it, id, record, action)
  if it.wait > 0 then
    delay(it.tenant, now + it.wait, { id })
    -- Before all that came since: the time that it waits for is not its place in the lane.
    if action == 'p' then return SCHEDULED, sub(record, 47, 52) end
    return action == 'r' and RETRYABLE or SCHEDULED, time6(now + it.wait)
  end
  local available = action == 'r' and NOW or sub(record, 27, 32)
  push_job(it.tenant, id, record, available, action == 'g')
  return AVAILABLE, available
end

-- A record as the end of its delivery leaves it. It is written whole: APPEND would
-- leave as much room again behind the value.
local function after(record, state, failed, available, ended, fuel, flags, attempt)
  local middle, burnt = sub(record, 5, 32), sub(record, 39, 46)
  if failed > 0 or available then
    middle = sub(record, 5, 22) .. struct.pack('<I2', number(record, 23, 2) + failed) .. sub(record, 25, 26)
      .. (available or sub(record, 27, 32))
  end
  if burnt ~= NO_FUEL then fuel = struct.pack('<I8', number(burnt, 1, 8) + number(fuel, 1, 8)) end
  local rest = flags == byte(record, 53) and sub(record, 47) or sub(record, 47, 52) .. char(flags) .. sub(record, 54)
  return sub(record, 1, 3) .. char(state) .. middle .. (ended or sub(record, 33, 38)) .. fuel .. rest .. attempt
end

-- A source has made a page: the next one begins at its cursor, and nothing of it has
-- failed so far, nor is there an attempt to be kept: a source may make millions. Whether
-- it need wait at all is seen when its jobs are there.
local function turn_page(it, id, record)
  call('HSET', note_key(it.tenant, id), 'c', sub(it.more, 41), 's', '')
  source_of(it.tenant, sub(it.more, 5, 40)).low = number(it.more, 1, 4)
  local expiry = expiry_of(record, terms_of(record))
  if expiry then
    call('ZADD', R .. it.tenant .. ':expiring', expiry, id)
    expect('@due', it.tenant, expiry)
  end
  return sub(record, 1, 22) .. '\0\0\0\0' .. sub(record, 27, HEADER + number(record, 54, 3))
end

-- One settlement: its letter, and the record to be written if there is one.
local function settle(it, id, said, attempt, record)
  local was = record and state_of(record)
  if not was then return 'm' end
  if sub(record, 5, 16) ~= fence_of(sub(said, 17, 20)) then return 's' end
  if was ~= RUNNING then return 'r' end -- a repeat
  local tenant, action, flags = it.tenant, it.action, byte(record, 53)
  left[#left + 1] = id .. tenant
  if bit.band(flags, ALL_COUNTED) > 0 then release(tenant, record, number(said, 21, 8)) end
  if action == 'g' then refund(tenant, record) end
  if bit.band(flags, CANCELLING) > 0 then
    if action ~= 'c' then action = 'x' end
    if attempt == '' then attempt = entry(ABANDONED[1], record, true, ABANDONED[2], ABANDONED[3]) end
  end
  local state, available, new = ends[action], nil, nil
  if state then
    if it.more ~= '' and refer(tenant, id, it.more) then flags = bit.bor(flags, BLOBS) end
    if flags ~= byte(record, 53) then record = flagged(record, flags) end
    flags = bit.band(flags, BLOBS)
    new = after(record, state, it.failed, nil, NOW, sub(said, 21, 28), flags, attempt)
    local added = finish(tenant, id, state, record, #new, new)
    if added > 0 then new = flagged(new, flags + added) end
  else
    flags = bit.band(flags, 255 - ALL_COUNTED)
    if action == 'p' then record, flags = turn_page(it, id, record), bit.bor(flags, NOTED) end
    state, available = move(it, id, record, action)
    new = after(record, state, it.failed, available, nil, sub(said, 21, 28), flags, attempt)
  end
  it.left[state] = (it.left[state] or 0) + 1
  -- What comes of another end than the one that was said is not made.
  it.is_made = action == it.action and (ends[action] ~= nil or action == 'p')
  return 'r', new
end

-- Some settlements of a group, `from` there in ARGV.
local function settle_some(it, from, jobs)
  local ids, keys, written, fresh = {}, {}, {}, {}
  for i = 1, jobs do
    ids[i] = sub(ARGV[from + 2 * i - 2], 1, 16)
    keys[i] = job_key(it.tenant, ids[i])
  end
  local records = call('MGET', unpack(keys))
  for i, id in ipairs(ids) do
    local at = from + 2 * i - 2
    -- A job that is there twice: the second one sees what the first one wrote.
    local letter, record = settle(it, id, ARGV[at], ARGV[at + 1], fresh[id] or records[i])
    answer[#answer + 1] = letter
    if record then
      fresh[id] = record
      local n = #written
      written[n + 1], written[n + 2] = keys[i], record
    end
  end
  if written[1] then call('MSET', unpack(written)) end
end

local at = 3
while ARGV[at] do
  local it = { tenant = ARGV[at], queue = ARGV[at + 1], action = ARGV[at + 2], more = ARGV[at + 5], left = {} }
  it.wait, it.failed = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local jobs, children, begin, from = tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8]), tonumber(ARGV[at + 9]), at + 10
  local cost, before = ARGV[at + 6], #left
  for done = 0, jobs - 1, CHUNK do settle_some(it, from + 2 * done, math.min(CHUNK, jobs - done)) end
  for state, moved in pairs(it.left) do
    count(it.tenant, it.queue, RUNNING, -moved)
    count(it.tenant, it.queue, state, moved)
  end
  if cost ~= '' then
    -- Of those that are recorded now, in even parts.
    local part, cpu, charged, runs = (#left - before) / jobs, struct.unpack('<I8I8I4', cost)
    if part > 0 then spend(it.tenant, it.queue, runs * part, cpu * part, charged * part) end
  end
  at = from + 2 * jobs
  -- In the step that records their parent's end, and in no other: a repeat finds it
  -- recorded.
  if children > 0 and it.is_made then add(it.tenant, at, at + children - 1, true) end
  at = at + children
  for i = at, at + begin - 1 do
    if it.is_made and it.action == 'c' then start_flow(flow_of(it.tenant, ARGV[i])) end
  end
  at = at + begin
end
each_batch('SREM', worker_key(worker, 'held'), left)
flush_spent()
flush_limits()
flush_finished()
flush_lanes()
flush_counts()
return table.concat(answer)
