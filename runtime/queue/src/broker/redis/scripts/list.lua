-- A page of jobs of one state.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, state, queue or '', module or '', limit, offset
-- Returns {next offset or -1, then for each job: id, record, progress or ''}.
-- It looks at no more than SCAN jobs a call.
local tenant, state = ARGV[2], tonumber(ARGV[3])
local in_queue, of_module, limit, offset = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local SCAN, LANES = 10000, 1000

-- The ids of a range of entries that lie one behind the other in many lists.
local function over_lists(lists, cut)
  local ids, skip = {}, offset
  for _, list in ipairs(lists) do
    local length = call('LLEN', list)
    if skip < length and #ids < SCAN then
      for _, entry in ipairs(call('LRANGE', list, skip, skip + SCAN - #ids - 1)) do ids[#ids + 1] = cut(entry) end
    end
    skip = math.max(0, skip - length)
  end
  return ids
end

local sources = {}
sources[AVAILABLE] = function()
  local lists, queues = {}, in_queue ~= '' and { in_queue } or call('SMEMBERS', R .. tenant .. ':queues')
  table.sort(queues)
  for _, queue in ipairs(queues) do
    local qk = queue_key(tenant, queue)
    for _, lane in ipairs(call('LRANGE', qk .. ':ring', 0, LANES - 1)) do
      for p = 9, 0, -1 do lists[#lists + 1] = qk .. ':l:' .. p .. ':' .. lane end
    end
  end
  return over_lists(lists, function(entry) return sub(entry, 7) end)
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
local function ended()
  local newest_first, ids = {}, call('LRANGE', R .. tenant .. ':f:' .. state, -offset - SCAN, -offset - 1)
  for i = #ids, 1, -1 do newest_first[#newest_first + 1] = sub(ids[i], 1, 16) end
  return newest_first
end

local answer, jobs = { -1 }, 0
local ids = state ~= 0 and (sources[state] or ended)() or {}
for i, id in ipairs(ids) do
  local head = head_of(tenant, id)
  local broken = not readable(head)
  local module, queue = route(head)
  local fits = broken or byte(head, 4) == state
  if head ~= '' and fits and (broken or in_queue == '' or queue == in_queue)
    and (broken or of_module == '' or module == of_module) then
    local noted = not broken and byte(head, 53) >= NOTED
    answer[#answer + 1] = id
    answer[#answer + 1] = call('GET', job_key(tenant, id))
    answer[#answer + 1] = noted and call('HGET', note_key(tenant, id), 'p') or ''
    jobs = jobs + 1
  end
  if jobs == limit then
    if i < #ids or #ids >= BATCH then answer[1] = offset + i end
    break
  end
end
-- There may be more than was looked at.
if jobs < limit and #ids >= BATCH then answer[1] = offset + #ids end
return answer
