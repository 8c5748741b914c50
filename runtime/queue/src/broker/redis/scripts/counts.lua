-- How many jobs of each queue of a tenant stand where.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant
-- Returns for each queue: its name, since when its oldest available job waits or '', then
--   pairs of state and number, flat.
local tenant, LANES, ALL_LANES, LOOKS = ARGV[2], 100, 1000, 20
local answer, queues = {}, call('SMEMBERS', R .. tenant .. ':queues')
local lanes = math.max(1, math.min(LANES, math.floor(ALL_LANES / #queues)))
for _, queue in ipairs(queues) do
  local qk = queue_key(tenant, queue)
  local row, oldest = call('HGETALL', qk .. ':n')
  for i = 1, #row, 2 do
    if tonumber(row[i]) == AVAILABLE and tonumber(row[i + 1]) > 0 then
      oldest = oldest_of(tenant, qk, some_lanes(qk, lanes), LOOKS)
    end
  end
  table.insert(row, 1, queue)
  table.insert(row, 2, oldest or '')
  answer[#answer + 1] = row
end
return answer
