-- Shared by the scripts that change who waits in a queue, in front of the lanes: shares
-- by CPU time. The twin of sqlite/fair.rs.
--
-- It is start-time fair queueing: each tenant has a place in the queue's ring, its CPU time
-- there by its weight, and who has the least is next. The queue's clock is the place of
-- who was served last; whoever comes back begins there or where it had left, whichever is
-- later. So nobody saves up time by waiting, and nothing walks the ring.
local GUESS = 1000 -- us that the jobs of a tenant are taken for of which none is known
local WORTH = 4000 -- us of CPU time that a turn is worth
local DEBT = 60000000 -- us that nobody owes more, nor is charged for a job

local function ring_key(queue) return R .. '@turns:' .. queue end
local function clock_key(queue) return R .. '@clock:' .. queue end

-- A tenant's weight, and what its jobs cost on average, in us.
local shares = {}
local function share_of(tenant)
  local it = shares[tenant]
  if not it then
    local has = call('HMGET', R .. tenant .. ':fair', 'weight', 'cost')
    it = { weight = tonumber(has[1]) or 1, known = tonumber(has[2]) }
    it.cost = math.min(math.max(1, math.floor((it.known or GUESS) + 0.5)), DEBT)
    shares[tenant] = it
  end
  return it
end

-- A tenant has jobs in a queue that may start.
local function join_ring(queue, tenant)
  local at = call('ZMSCORE', clock_key(queue), '', tenant)
  call('ZADD', ring_key(queue), 'NX', math.max(tonumber(at[1] or 0), tonumber(at[2] or 0)), tenant)
end

-- Whoever an earlier Lovage has put into its ring, a list, joins this one.
local function adopt_ring(queue)
  for _, tenant in ipairs(call('LRANGE', R .. '@ring:' .. queue, 0, -1)) do join_ring(queue, tenant) end
  call('DEL', R .. '@ring:' .. queue)
end
