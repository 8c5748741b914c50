-- What attempts have cost, behind the shares: settle puts right what claim has charged.
local spent = {}

-- Some jobs of a tenant in a queue have ended their run: how many of them were attempts,
-- what these took of CPU time, and what all of them were charged, in us.
local function spend(tenant, queue, runs, cpu, charged)
  local key = tenant .. '\0' .. queue
  local it = spent[key]
  if not it then
    it = { tenant = tenant, queue = queue, runs = 0, cpu = 0, charged = 0 }
    spent[key] = it
  end
  it.runs, it.cpu, it.charged = it.runs + runs, it.cpu + cpu, it.charged + charged
end

-- The average leans to what was last, by an eighth a job; written where it has changed.
local function learn(it)
  local share, mean = share_of(it.tenant), it.cpu / it.runs
  local before = share.known or mean
  local cost = before + (mean - before) * (1 - (7 / 8) ^ it.runs)
  if not share.known or math.abs(cost - before) > before / 32 then
    call('HSET', R .. it.tenant .. ':fair', 'cost', cost)
    share.known = cost
  end
end

-- Moves a tenant that is not in the ring, where it left.
local function move_absent(queue, tenant, by)
  local at = call('ZMSCORE', clock_key(queue), '', tenant)
  local clock, own = tonumber(at[1] or 0), tonumber(at[2] or 0)
  local place = math.max(clock, own) + by
  local alone = call('EXISTS', ring_key(queue)) == 0
  if alone then call('ZADD', clock_key(queue), 'GT', place, '') end
  if place > clock and not alone then
    call('ZADD', clock_key(queue), math.min(place, clock + DEBT), tenant)
  elseif at[2] then
    call('ZREM', clock_key(queue), tenant)
  end
end

-- Moves a tenant in a queue. What it takes while nobody else waits is forgotten: the clock
-- goes with it.
local function move_by(queue, tenant, by)
  local place = call('ZADD', ring_key(queue), 'XX', 'INCR', by, tenant)
  if not place then return move_absent(queue, tenant, by) end
  if call('ZCARD', ring_key(queue)) == 1 then
    call('ZADD', clock_key(queue), 'GT', place, '')
    return
  end
  if by <= 0 then return end
  local most = tonumber(call('ZSCORE', clock_key(queue), '') or 0) + DEBT
  if tonumber(place) > most then call('ZADD', ring_key(queue), 'XX', most, tenant) end
end

local function flush_spent()
  for _, it in pairs(spent) do
    if it.runs > 0 then learn(it) end
    move_by(it.queue, it.tenant, (it.cpu - it.charged) / share_of(it.tenant).weight)
  end
end
