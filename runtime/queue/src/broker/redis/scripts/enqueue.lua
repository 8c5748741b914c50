-- Adds jobs, all or none: what can be refused is refused before the first write.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, then groups of jobs that are alike:
--   queue, lane, priority, crash limit, delay in ms, time instead or 0, how many,
--   then for each: id, version, call (route and body)
-- Returns {'ok', one letter a job, ids}: 'n' new, 'x' was there already, 'i' instead
--   of it there is the next of the ids. Or {'full', queue, waiting, depth},
--   {'duplicate', id}, {'missing', digest in hexadecimal}.
local tenant = ARGV[2]
local it = limits_of(tenant)
local groups, cancelled = {}, {}
local at = 3
while ARGV[at] do
  local group = { queue = ARGV[at], lane = ARGV[at + 1], priority = tonumber(ARGV[at + 2]) }
  group.limit, group.jobs, group.from = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 6]), at + 7
  group.available = math.max(now + tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]))
  groups[#groups + 1] = group
  at = at + 7 + 3 * group.jobs
end

-- What the calls with terms come to: the answer for a job that is not made, by
-- its place in ARGV; and its terms, for one that is.
local instead, terms_at, keys = {}, {}, {}
local function judge(i)
  local id = ARGV[i]
  if call('EXISTS', job_key(tenant, id)) == 1 then return end
  -- Version, and whatever: the route begins behind the header.
  local terms = terms_of('\2' .. string.rep('\0', HEADER - 1) .. sub(ARGV[i + 2], 1, 1400))
  if terms.k then
    local first = keys['k' .. terms.k] or call('GET', R .. tenant .. ':k:' .. terms.k)
    if first then instead[i] = first; return end
  end
  if terms.u then
    local first = keys['u' .. terms.u] or holder(tenant, terms.u)
    if first and terms.c == 'e' then instead[i] = first; return end
    if first and terms.c == 'r' then return { 'duplicate', first } end
    if first then cancelled[#cancelled + 1] = first end
  end
  local digest = terms.b and string.gsub(terms.b, '%x%x', function(hex) return char(tonumber(hex, 16)) end)
  if digest and not blob_of(tenant, digest) then return { 'missing', terms.b } end
  terms.b = digest
  terms_at[i] = terms
  if terms.k then keys['k' .. terms.k] = id end
  if terms.u then keys['u' .. terms.u] = id end
end

for _, group in ipairs(groups) do
  for i = group.from, group.from + 3 * group.jobs - 1, 3 do
    local refused = ARGV[i + 1] ~= '1' and judge(i)
    if refused then return refused end
  end
end

-- Only queues with a depth pay for it.
local function depth_of(queue)
  local limit = it.queues and limit_at(it, 'queue:' .. queue)
  return limit and limit[4] > 0 and limit[4] - 1
end
local added = {}
for _, group in ipairs(groups) do
  if depth_of(group.queue) then
    for i = group.from, group.from + 3 * group.jobs - 1, 3 do
      local is_new = not instead[i] and call('EXISTS', job_key(tenant, ARGV[i])) == 0
      added[group.queue] = (added[group.queue] or 0) + (is_new and 1 or 0)
    end
  end
end
for queue, more in pairs(added) do
  local waiting = 0
  for _, jobs in ipairs(call('HMGET', queue_key(tenant, queue) .. ':n', SCHEDULED, AVAILABLE, RETRYABLE)) do
    waiting = waiting + tonumber(jobs or 0)
  end
  if more > 0 and waiting + more > depth_of(queue) then return { 'full', queue, waiting, depth_of(queue) } end
end

local function agree(id, record, terms)
  if terms.k then call('SET', R .. tenant .. ':k:' .. terms.k, id) end
  if terms.u then hold(tenant, id, terms) end
  if terms.b then refer(tenant, id, terms.b) end
  local expiry = expiry_of(record, terms)
  if expiry then
    call('ZADD', R .. tenant .. ':expiring', expiry, id)
    expect('@due', tenant, expiry)
  end
end

local letters, ids = {}, {}
call('SADD', R .. '@tenants', tenant)
for _, group in ipairs(groups) do
  local queue, lane, available, new = group.queue, group.lane, group.available, 0
  local state = available > now and SCHEDULED or AVAILABLE
  -- Offsets as in record.rs: worker, times and counters are still zero.
  local head = char(group.priority, group.limit, state) .. string.rep('\0', 22) .. time6(available)
    .. string.rep('\0', 14) .. time6(now)
  for i = group.from, group.from + 3 * group.jobs - 1, 3 do
    local id, version, body, terms = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], terms_at[i]
    local flags = terms and terms.b and BLOBS or 0
    local record = char(version) .. head .. char(flags) .. struct.pack('<I3', #body) .. body
    if instead[i] then
      letters[#letters + 1], ids[#ids + 1] = 'i', instead[i]
    elseif call('SET', job_key(tenant, id), record, 'NX') then
      letters[#letters + 1] = 'n'
      new = new + 1
      if terms then agree(id, record, terms) end
      if state == SCHEDULED then
        delay(tenant, id, available)
      elseif it.tasks then
        push_job(tenant, id, record, available)
      else
        push(tenant, queue, lane, group.priority, available, id)
      end
    else
      letters[#letters + 1] = 'x'
    end
  end
  if new > 0 then
    call('SADD', R .. tenant .. ':queues', queue)
    count(tenant, queue, state, new)
  end
end
for _, id in ipairs(cancelled) do cancel(tenant, id) end
flush_finished()
flush_lanes()
flush_counts()
return { 'ok', table.concat(letters), table.concat(ids) }
