-- A page of jobs of one state.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, state, queue or '', module or '', limit, offset
-- Returns {now, next offset or -1, then for each job: id, record, progress or '', log so
--   far or ''}.
-- It looks at no more than SCAN jobs a call.
local tenant, state = ARGV[2], tonumber(ARGV[3])
local in_queue, of_module, limit, offset = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local SCAN, LANES = 10000, 1000

-- A range of entries that lie one behind the other in many lists.
local function over_lists(lists)
  local entries, skip = {}, offset
  for _, list in ipairs(lists) do
    local length = call('LLEN', list)
    if skip < length and #entries < SCAN then
      for _, entry in ipairs(call('LRANGE', list, skip, skip + SCAN - #entries - 1)) do
        entries[#entries + 1] = entry
      end
    end
    skip = math.max(0, skip - length)
  end
  return entries
end

local sources = {}
sources[AVAILABLE] = function()
  local lists, queues = {}, in_queue ~= '' and { in_queue } or call('SMEMBERS', R .. tenant .. ':queues')
  table.sort(queues)
  for _, queue in ipairs(queues) do
    local qk = queue_key(tenant, queue)
    -- All that have entries, also those that wait for a limit.
    local lanes, some = {}, call('HSCAN', qk .. ':lanes', 0, 'COUNT', LANES)[2]
    for i = 1, #some, 2 do lanes[#lanes + 1] = some[i] end
    table.sort(lanes)
    for _, lane in ipairs(lanes) do
      for p = 9, 0, -1 do lists[#lists + 1] = qk .. ':l:' .. p .. ':' .. lane end
    end
  end
  return over_lists(lists)
end
sources[RUNNING] = function()
  local ids = {}
  for _, worker in ipairs(call('ZRANGE', R .. '@leases', 0, -1)) do
    for _, job in ipairs(call('SMEMBERS', worker_key(worker, 'held'))) do
      if sub(job, 17) == tenant then ids[#ids + 1] = sub(job, 1, 16) end
    end
  end
  table.sort(ids)
  return { unpack(ids, offset + 1, math.min(#ids, offset + BATCH)) }
end
sources[SCHEDULED] = function()
  return call('ZRANGE', R .. tenant .. ':delayed', offset, offset + SCAN - 1)
end
sources[RETRYABLE] = sources[SCHEDULED]
sources[COMPLETED] = function()
  local list = R .. tenant .. ':completed'
  local newest_first, ids = {}, call('LRANGE', list, -offset - SCAN, -offset - 1)
  for i = #ids, 1, -1 do newest_first[#newest_first + 1] = ids[i] end
  if #ids == SCAN then return newest_first end
  -- Those that say themselves how long they are kept come behind.
  local from = math.max(0, offset - call('LLEN', list))
  for _, id in ipairs(call('ZREVRANGE', R .. tenant .. ':ttl', from, from + SCAN - #ids - 1)) do
    newest_first[#newest_first + 1] = id
  end
  return newest_first
end
local function ended()
  return call('ZREVRANGE', R .. tenant .. ':ended:' .. state, offset, offset + SCAN - 1)
end

local answer, jobs, seen = { now, -1 }, 0, {}
local ids = state ~= 0 and (sources[state] or ended)() or {}
for i, id in ipairs(ids) do
  -- A lane's entry has its time before the id: one that is not the record's was
  -- left by an earlier stay.
  local stamp = #id > 16 and sub(id, 1, 6)
  if stamp then id = sub(id, 7) end
  local head = head_of(tenant, id)
  local broken = not state_of(head)
  local module, queue = route(head)
  local fits = broken or (byte(head, 4) == state and (not stamp or stamp == sub(head, 27, 32)))
  -- A job that was forgotten and came back under its id may lie there twice.
  fits, seen[id] = fits and not seen[id], fits or seen[id]
  if head ~= '' and fits and (broken or in_queue == '' or queue == in_queue)
    and (broken or of_module == '' or module == of_module) then
    local noted = not broken and bit.band(byte(head, 53), NOTED) > 0
    local note = noted and call('HMGET', note_key(tenant, id), 'p', 'l') or {}
    answer[#answer + 1] = id
    answer[#answer + 1] = call('GET', job_key(tenant, id))
    answer[#answer + 1] = note[1] or ''
    answer[#answer + 1] = note[2] or ''
    jobs = jobs + 1
  end
  if jobs == limit then
    if i < #ids or #ids >= BATCH then answer[2] = offset + i end
    break
  end
end
-- There may be more than was looked at.
if jobs < limit and #ids >= BATCH then answer[2] = offset + #ids end
return answer
