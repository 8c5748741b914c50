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
-- not completed, or not there, left the list before.
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
    if is then
      forget(tenant, id, head)
      gone = gone + 1
    end
  end
  if passed > 0 then call('LPOP', list, passed) end
end

-- Some of a set, those of the lowest scores first.
local function prune_set(tenant, set, ids)
  for _, id in ipairs(ids) do
    local head = head_of(tenant, id)
    if state_of(head) then
      forget(tenant, id, head)
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
