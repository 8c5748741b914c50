-- Does what the time is there for: makes delayed jobs available, cancels what has
-- expired, and lets those go on whose rate allows it again. And what flows have left to
-- do.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', limit
-- Returns {how many jobs became available, ms until there is more to do or -1, 1 where
--   schedules are to be looked at, 1 where flows have more to do}.
local limit, promoted, done = tonumber(ARGV[2]), 0, 0
local TENANTS = 100

local function promote(tenant, id)
  local head = head_of(tenant, id)
  if newer(head) then
    -- Whoever knows its version will find it; until then it waits here.
    call('ZADD', R .. tenant .. ':delayed', now + 1000, id)
    return
  end
  call('ZREM', R .. tenant .. ':delayed', id)
  local state = state_of(head)
  if state == AVAILABLE then
    -- Set aside by a claim that did not know its version.
    push_job(tenant, id, head, sub(head, 27, 32))
  elseif state == SCHEDULED or state == RETRYABLE then
    -- Its place in the lane is the moment of promotion, so that lists stay in order of
    -- availability.
    make_available(tenant, id, head, time6(now))
    promoted = promoted + 1
  end
end

local function expire(tenant, id)
  local head = head_of(tenant, id)
  call('ZREM', R .. tenant .. ':expiring', id)
  -- What has begun once does not expire; what runs may come back, and is looked at
  -- by the claim then.
  local state = state_of(head)
  if state and state < COMPLETED and state ~= RUNNING and number(head, 23, 2) == 0 then close(tenant, id, head, CANCELLED, EXPIRED) end
end

local function due_of(tenant, set, visit)
  if done >= limit then return end
  local most = math.min(BATCH, limit - done)
  for _, id in ipairs(call('ZRANGEBYSCORE', R .. tenant .. set, '-inf', now, 'LIMIT', 0, most)) do
    visit(tenant, id)
    done = done + 1
  end
end

for _, tenant in ipairs(call('ZRANGEBYSCORE', R .. '@due', '-inf', now, 'LIMIT', 0, TENANTS)) do
  due_of(tenant, ':expiring', expire)
  due_of(tenant, ':delayed', promote)
  local delayed = call('ZRANGE', R .. tenant .. ':delayed', 0, 0, 'WITHSCORES')[2]
  local expiring = call('ZRANGE', R .. tenant .. ':expiring', 0, 0, 'WITHSCORES')[2]
  local first = math.min(tonumber(delayed or math.huge), tonumber(expiring or math.huge))
  if delayed or expiring then call('ZADD', R .. '@due', first, tenant) else call('ZREM', R .. '@due', tenant) end
end
for _, waits in ipairs(call('ZRANGEBYSCORE', R .. '@waits', '-inf', now, 'LIMIT', 0, limit)) do
  local tenant, scope = string.match(waits, '^([^%z]*)%z(.*)$')
  let_on(limits_of(tenant), scope)
end
work_some()
flush_finished()
flush_lanes()
flush_counts()
local due = call('ZRANGE', R .. '@due', 0, 0, 'WITHSCORES')[2]
local wait = call('ZRANGE', R .. '@waits', 0, 0, 'WITHSCORES')[2]
local fire = tonumber(call('ZRANGE', R .. '@fires', 0, 0, 'WITHSCORES')[2] or math.huge)
local next = math.min(tonumber(due or math.huge), tonumber(wait or math.huge), fire)
local more = call('EXISTS', R .. '@freeing')
if more == 1 then next = now end
return { promoted, next < math.huge and math.max(0, next - now) or -1, fire <= now and 1 or 0, more }
