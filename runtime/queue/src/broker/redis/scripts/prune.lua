-- Lets finished jobs go, blobs that nothing refers to, and stagings that nobody
-- ended.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', ms that completed and cancelled jobs are kept, ms that
--   discarded ones are, how many of a kind, bytes of a tenant, limit in all
-- Returns how many jobs went. It looks at some tenants a call, drawn at random: so
-- no call grows with their number, and over time each has its turn.
local span, dead_span = tonumber(ARGV[2]), tonumber(ARGV[3])
local most, bytes, limit, gone = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), 0
local DAY = 86400000

-- The oldest of the long list of completed jobs, while `leaves` says so. What is
-- not completed, or not there, left the list before. What is of a flow leaves the list
-- alone, and goes with the flow.
local function prune_list(tenant, leaves)
  local list = R .. tenant .. ':completed'
  local over, passed = call('LLEN', list) - most, 0
  while gone + passed < limit + BATCH and gone < limit do
    local id = call('LINDEX', list, passed)
    if not id then break end
    local head = head_of(tenant, id)
    local is = state_of(head) == COMPLETED
    if newer(head) or (is and not leaves(passed < over, number(head, 33, 6))) then break end
    passed = passed + 1
    if is and not terms_of(head).w then forget(tenant, id, head) end
    if is then gone = gone + 1 end
  end
  if passed > 0 then call('LPOP', list, passed) end
end

-- Some of a set, those of the lowest scores first.
local function prune_set(tenant, set, ids)
  for _, id in ipairs(ids) do
    local head = head_of(tenant, id)
    if state_of(head) then
      if not terms_of(head).w then forget(tenant, id, head) end
      call('ZREM', R .. tenant .. set, id)
    elseif not newer(head) and not forget_unreadable(tenant, id) then
      call('ZREM', R .. tenant .. set, id)
    end
    gone = gone + 1
  end
end

local function prune_old(tenant, set, before)
  if gone >= limit then return end
  local key, room = R .. tenant .. set, limit - gone
  prune_set(tenant, set, call('ZRANGEBYSCORE', key, '-inf', before, 'LIMIT', 0, room))
  local over = math.min(call('ZCARD', key) - most, limit - gone)
  if over > 0 then prune_set(tenant, set, call('ZRANGE', key, 0, over - 1)) end
end

-- Until the tenant holds no more bytes than it may.
local function prune_bytes(tenant)
  local held = tonumber(call('GET', R .. tenant .. ':bytes') or 0)
  local function too_much() return held - (shrunk[tenant] or 0) > bytes end
  prune_list(tenant, too_much)
  for _, set in ipairs({ ':ttl', ':ended:' .. CANCELLED, ':ended:' .. DISCARDED }) do
    while too_much() and gone < limit do
      local first = call('ZRANGE', R .. tenant .. set, 0, 0)
      if #first == 0 then break end
      prune_set(tenant, set, first)
    end
  end
end

-- From here on nobody finds it.
local function leave(tenant, set, flow)
  call('ZREM', R .. tenant .. ':flows' .. set, flow)
  call('ZREM', R .. tenant .. ':flows', flow)
  call('HSET', R .. tenant .. ':f:' .. flow, 'state', 'g')
  call('RPUSH', R .. tenant .. ':flows:leaving', flow)
end

-- Some nodes of a flow that leaves, then its lists; whether it is gone.
local function take_apart(tenant, flow)
  local key = R .. tenant .. ':f:' .. flow
  local ids = call('LPOP', key .. ':ids', limit - gone)
  for _, id in ipairs(ids or {}) do
    local head = head_of(tenant, id)
    local state = state_of(head)
    if state == DISCARDED or state == CANCELLED then call('ZREM', R .. tenant .. ':ended:' .. state, id) end
    if state then forget(tenant, id, head) end
    gone = gone + 1
  end
  if ids then return false end
  local joints = tonumber(call('HGET', key, 'joints')) or 0
  local some = math.min(joints, limit - gone)
  for joint = joints - some, joints - 1 do call('UNLINK', key .. ':out:' .. joint) end
  gone = gone + math.max(1, some)
  if some < joints then
    call('HSET', key, 'joints', joints - some)
    return false
  end
  call('UNLINK', key, key .. ':left', key .. ':waits', key .. ':about', key .. ':out:start', key .. ':lost')
  return true
end

local function sweep(tenant)
  local leaving = R .. tenant .. ':flows:leaving'
  while gone < limit do
    local flow = call('LINDEX', leaving, 0)
    if not flow then return end
    if take_apart(tenant, flow) then call('LPOP', leaving) end
  end
end

local FLOWS = 10 -- that begin to leave in a call
local function prune_flows(tenant)
  local function old(set, before)
    local key = R .. tenant .. ':flows' .. set
    for _, flow in ipairs(call('ZRANGEBYSCORE', key, '-inf', before, 'LIMIT', 0, FLOWS)) do leave(tenant, set, flow) end
    local over = math.min(call('ZCARD', key) - most, FLOWS)
    for _, flow in ipairs(over > 0 and call('ZRANGE', key, 0, over - 1) or {}) do leave(tenant, set, flow) end
  end
  repeat
    local before = gone
    sweep(tenant)
    if gone < limit then
      old(':ended:c', now - span)
      old(':ended:f', now - dead_span)
      for _, flow in ipairs(call('ZRANGEBYSCORE', R .. tenant .. ':flows:going', '-inf', now, 'LIMIT', 0, FLOWS)) do
        leave(tenant, ':going', flow)
      end
      sweep(tenant)
    end
  until gone == before or gone >= limit
  local held = tonumber(call('GET', R .. tenant .. ':bytes') or 0)
  for _, set in ipairs({ ':ended:c', ':ended:f' }) do
    while gone < limit and held - (shrunk[tenant] or 0) > bytes do
      local first = call('ZRANGE', R .. tenant .. ':flows' .. set, 0, 0)[1]
      if not first then break end
      leave(tenant, set, first)
      sweep(tenant)
    end
  end
end

local function prune_blobs(tenant)
  for _, digest in ipairs(call('ZRANGEBYSCORE', R .. tenant .. ':loose', '-inf', now, 'LIMIT', 0, limit)) do
    drop_blob(tenant, digest)
  end
end

-- A pace whose next start is past says nothing. Lanes come and go, so some are
-- drawn at random, as Redis' own expiry does.
local function prune_paces(tenant)
  local key = R .. tenant .. ':pace'
  local paces = call('HRANDFIELD', key, 100, 'WITHVALUES')
  for i = 1, #paces, 2 do
    if tonumber(paces[i + 1]) < now * 1000 then call('HDEL', key, paces[i]) end
  end
end

for _, tenant in ipairs(call('SRANDMEMBER', R .. '@tenants', 100)) do
  prune_list(tenant, function(is_over, ended) return is_over or ended + span <= now end)
  prune_old(tenant, ':ttl', now)
  prune_old(tenant, ':ended:' .. CANCELLED, now - span)
  prune_old(tenant, ':ended:' .. DISCARDED, now - dead_span)
  prune_bytes(tenant)
  prune_flows(tenant)
  prune_blobs(tenant)
  prune_paces(tenant)
end
local staged = call('HGETALL', R .. '@staged')
for i = 1, #staged, 2 do
  if tonumber(staged[i + 1]) + DAY <= now then
    call('HDEL', R .. '@staged', staged[i])
    call('DEL', R .. '@staged:' .. staged[i])
  end
end
flush_forgotten()
flush_counts()
return gone
