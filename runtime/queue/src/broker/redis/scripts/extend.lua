-- Keeps a worker's lease alive and takes its word on staged modules and on itself.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', worker, lease in ms, what it tells of its host or '', how many
--   queues, the queues, then for each word on a staged module: digest .. tenant, 'ok'
--   or why not
-- Returns {work: 1 or 0, {id .. tenant of its jobs that are to stop}, digest .. tenant that
--   is staged and not yet judged, …};
--   'dead' where the worker was declared dead.
local worker, lease, about, queues = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local DAY = 86400000
if not renew(worker, lease, true) then return 'dead' end
if about == '' then
  call('DEL', worker_key(worker, 'about'))
else
  -- It goes with the lease; but an earlier Lovage that ends one does not know of it.
  call('SET', worker_key(worker, 'about'), about, 'PX', lease + DAY)
end
for i = 6 + queues, #ARGV, 2 do
  if call('HEXISTS', R .. '@staged', ARGV[i]) == 1 then
    call('HSET', R .. '@staged:' .. ARGV[i], worker, ARGV[i + 1])
  end
end

-- An id may be of several tenants' jobs: the job itself says whether it was asked. What is
-- held no more has been settled.
local function to_stop()
  local key, found, jobs, over = worker_key(worker, 'cancel'), {}, {}, {}
  local asked = call('SMEMBERS', key)
  if not asked[1] then return jobs end
  for _, id in ipairs(asked) do found[id] = false end
  for _, job in ipairs(call('SMEMBERS', worker_key(worker, 'held'))) do
    local id = sub(job, 1, 16)
    if found[id] ~= nil then
      local flags = byte(call('GETRANGE', job_key(sub(job, 17), id), 52, 52)) or 0
      if bit.band(flags, CANCELLING) > 0 then
        jobs[#jobs + 1], found[id] = job, true
      end
    end
  end
  for id, is_held in pairs(found) do
    if not is_held then over[#over + 1] = id end
  end
  each_batch('SREM', key, over)
  return jobs
end

local answer = { 0, to_stop() }
for i = 6, 5 + queues do
  if call('EXISTS', R .. '@ring:' .. ARGV[i]) == 1 then adopt_ring(ARGV[i]) end
  if call('EXISTS', ring_key(ARGV[i])) == 1 then answer[1] = 1 end
end
for _, staged in ipairs(call('HKEYS', R .. '@staged')) do
  if call('HEXISTS', R .. '@staged:' .. staged, worker) == 0 then answer[#answer + 1] = staged end
end
return answer
