-- Shared by the scripts that make jobs available, behind the prelude.
-- Invariants: a lane whose lists hold entries is in its ring, or waits for a
-- scope (limits.lua), one of the two; a tenant whose ring of lanes is not empty
-- is in the queue's ring, or waits. Entries of jobs that are no longer available
-- may lie in a lane: claim passes over them.
local lanes_touched, lane_lists = {}, {}
local touched_in_order = {} -- lanes join their ring in the order of the jobs

-- Remembers an entry for its lane; flush_lanes writes them. `front` puts it
-- before all others of its priority: it has waited before.
local function push(tenant, queue, lane, priority, available, id, front)
  local qk = queue_key(tenant, queue)
  local at = qk .. ':' .. lane
  local touched = lanes_touched[at]
  if not touched then
    touched = { tenant = tenant, queue = queue, qk = qk, lane = lane, added = 0, mask = 0 }
    lanes_touched[at] = touched
    touched_in_order[#touched_in_order + 1] = touched
  end
  touched.added = touched.added + 1
  touched.mask = bit.bor(touched.mask, bit.lshift(1, priority))
  local list = qk .. ':l:' .. priority .. ':' .. lane
  local sides = lane_lists[list]
  if not sides then sides = { front = {}, back = {} }; lane_lists[list] = sides end
  local side = front and sides.front or sides.back
  side[#side + 1] = time6(available) .. id
end

-- Tells idle workers of a queue, as many as there are jobs. A worker whose
-- lease ran out would swallow the word, so it does not count.
local function wake(queue, jobs)
  local idle = R .. '@idle:' .. queue
  while jobs > 0 do
    local worker = call('SPOP', idle)
    if not worker then return end
    local lease = call('ZSCORE', R .. '@leases', worker)
    if lease and tonumber(lease) > now then
      call('PUBLISH', KEYS[1] .. ':@w:' .. worker, 'work')
      jobs = jobs - 1
    end
  end
end

local function flush_lanes()
  for list, sides in pairs(lane_lists) do
    if #sides.back > 0 then each_batch('RPUSH', list, sides.back) end
    -- The first of them goes in last, so that it stands first.
    local front, reversed = sides.front, {}
    for i = #front, 1, -1 do reversed[#reversed + 1] = front[i] end
    if #reversed > 0 then each_batch('LPUSH', list, reversed) end
  end
  local woken = {}
  for _, it in ipairs(touched_in_order) do
    local state = tonumber(call('HGET', it.qk .. ':lanes', it.lane)) or 0
    local mask = bit.bor(state % 1024, it.mask)
    local entries = math.floor(state / 1024)
    call('HSET', it.qk .. ':lanes', it.lane, (entries + it.added) * 1024 + mask)
    if entries == 0 and call('RPUSH', it.qk .. ':ring', it.lane) == 1 then
      call('RPUSH', R .. '@ring:' .. it.queue, it.tenant)
    end
    woken[it.queue] = (woken[it.queue] or 0) + it.added
  end
  for queue, jobs in pairs(woken) do wake(queue, jobs) end
end

-- Tells workers of a time that comes before all others that are waited for.
local function expect(set, member, at)
  local first = call('ZRANGE', R .. '@due', 0, 0, 'WITHSCORES')[2]
  local wait = call('ZRANGE', R .. '@waits', 0, 0, 'WITHSCORES')[2]
  call('ZADD', R .. set, 'LT', at, member)
  if at < math.min(tonumber(first or at + 1), tonumber(wait or at + 1)) then
    call('PUBLISH', KEYS[1] .. ':@all', 'due')
  end
end

-- Puts a job on the tenant's delayed set.
local function delay(tenant, id, due)
  call('ZADD', R .. tenant .. ':delayed', due, id)
  expect('@due', tenant, due)
end
