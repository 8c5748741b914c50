-- How many jobs of each queue of a tenant stand where.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant
-- Returns for each queue: its name, then pairs of state and number, flat.
local answer = {}
for _, queue in ipairs(call('SMEMBERS', R .. ARGV[2] .. ':queues')) do
  local row = call('HGETALL', queue_key(ARGV[2], queue) .. ':n')
  table.insert(row, 1, queue)
  answer[#answer + 1] = row
end
return answer
