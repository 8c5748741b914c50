-- Shared by the scripts that make jobs available, behind the prelude.
-- Invariants: a lane whose lists hold entries is in its ring, or waits for a
-- scope (limits.lua), one of the two; a tenant whose ring of lanes is not empty
-- is in the queue's ring, or waits. Entries of jobs that are no longer available
-- may lie in a lane: claim passes over them.
local touched, in_order = {}, {} -- queues by their key, and as they came

local function touch(tenant, queue, lane)
  local qk = queue_key(tenant, queue)
  local at = touched[qk]
  if not at then
    at = { tenant = tenant, queue = queue, qk = qk, added = 0, names = {}, lanes = {} }
    touched[qk] = at
    in_order[#in_order + 1] = at
  end
  at.added = at.added + 1
  local it = at.lanes[lane]
  if not it then
    it = { added = 0, mask = 0, lists = {} }
    at.lanes[lane] = it
    at.names[#at.names + 1] = lane -- which join their ring in the order of the jobs
  end
  it.added = it.added + 1
  return it
end

-- Whether entries for a lane are remembered.
local function is_touched(tenant, queue, lane)
  local at = touched[queue_key(tenant, queue)]
  return at ~= nil and at.lanes[lane] ~= nil
end

-- Remembers an entry for its lane; flush_lanes writes them. `front` puts it
-- before all others of its priority: it has waited before. `available` is written
-- as records have it.
local function push(tenant, queue, lane, priority, available, id, front)
  local it = touch(tenant, queue, lane)
  local list = it.lists[priority]
  if not list then
    list = { front = {}, back = {} }
    it.lists[priority] = list
    it.mask = it.mask + bit.lshift(1, priority)
  end
  local side = front and list.front or list.back
  side[#side + 1] = available .. id
end

-- Tells some of a set of workers that there is work, as many as there are jobs; how many
-- jobs that leaves. A worker whose lease ran out would swallow the word, so it does not
-- count.
local function tell_some(workers, jobs)
  while jobs > 0 do
    local worker = call('SPOP', workers)
    if not worker then return jobs end
    local lease = call('ZSCORE', R .. '@leases', worker)
    if lease and tonumber(lease) > now then
      call('PUBLISH', KEYS[1] .. ':@w:' .. worker, 'work')
      jobs = jobs - 1
    end
  end
  return 0
end

-- Tells idle workers of a queue; and where there are too few, one that is full and may
-- still have a place for it.
local function wake(queue, jobs)
  if tell_some(R .. '@idle:' .. queue, jobs) > 0 then tell_some(R .. '@spare:' .. queue, 1) end
end

local function list_key(qk, lane, p) return qk .. ':l:' .. char(48 + p) .. ':' .. lane end

-- Writes a lane's entries.
local function flush_lists(qk, lane, lists)
  for priority, list in pairs(lists) do
    local key = list_key(qk, lane, priority)
    if list.back[1] then each_batch('RPUSH', key, list.back) end
    -- The first of them goes in last, so that it stands first.
    local front, reversed = list.front, {}
    for i = #front, 1, -1 do reversed[#reversed + 1] = front[i] end
    if reversed[1] then each_batch('LPUSH', key, reversed) end
  end
end

-- Writes the entries of some lanes of a queue, and what its hash says of them;
-- those that were empty join the ring.
local function flush_some(at, from, to)
  local states = call('HMGET', at.qk .. ':lanes', unpack(at.names, from, to))
  local known, new = {}, {}
  for i = from, to do
    local lane, state = at.names[i], tonumber(states[i - from + 1]) or 0
    local it, mask, entries = at.lanes[lane], state % 1024, math.floor(state / 1024)
    flush_lists(at.qk, lane, it.lists)
    known[#known + 1] = lane
    known[#known + 1] = (entries + it.added) * 1024 + bit.bor(mask, it.mask)
    if entries == 0 then new[#new + 1] = lane end
  end
  call('HSET', at.qk .. ':lanes', unpack(known))
  if new[1] and call('RPUSH', at.qk .. ':ring', unpack(new)) == #new then
    join_ring(at.queue, at.tenant)
  end
end

local function flush_lanes()
  for _, at in ipairs(in_order) do
    for from = 1, #at.names, BATCH do flush_some(at, from, math.min(from + BATCH - 1, #at.names)) end
    wake(at.queue, at.added)
  end
end

-- Tells workers of a time that comes before all others that are waited for.
local function expect(set, member, at)
  local first = call('ZRANGE', R .. '@due', 0, 0, 'WITHSCORES')[2]
  local wait = call('ZRANGE', R .. '@waits', 0, 0, 'WITHSCORES')[2]
  local fire = call('ZRANGE', R .. '@fires', 0, 0, 'WITHSCORES')[2]
  call('ZADD', R .. set, 'LT', at, member)
  if at < math.min(tonumber(first or at + 1), tonumber(wait or at + 1), tonumber(fire or at + 1)) then
    call('PUBLISH', KEYS[1] .. ':@all', 'due')
  end
end

-- Puts jobs on the tenant's delayed set.
local function delay(tenant, due, ids)
  local pairs_of = {}
  for i, id in ipairs(ids) do pairs_of[2 * i - 1], pairs_of[2 * i] = due, id end
  each_batch('ZADD', R .. tenant .. ':delayed', pairs_of)
  expect('@due', tenant, due)
end
