-- Ends deliveries. It is worse to lose a job than to run it twice, and worse to
-- write a result over another than to drop it: hence the fence.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', worker, then for each settlement: tenant, queue, id, delivery
--   (4 bytes), action (c r d x g), wait in ms, fuel, failed runs to add, the
--   attempt's entry or ''
-- Returns one character a settlement: 'r' recorded, 's' stale, 'm' missing.
local worker = ARGV[2]
local answer, left = {}, {}
local ends = { c = COMPLETED, d = DISCARDED, x = CANCELLED }

local function settle(tenant, queue, id, delivery, action, wait, fuel, failed, entry)
  local key = job_key(tenant, id)
  local record = call('GET', key)
  if not record or not readable(record) then return 'm' end
  local head = sub(record, 1, HEADER)
  if sub(head, 5, 8) ~= delivery or sub(head, 9, 16) ~= worker then return 's' end
  if byte(head, 4) ~= RUNNING then return 'r' end -- a repeat
  left[#left + 1] = id .. tenant
  local state, available, flags = ends[action], number(head, 27, 6), byte(head, 53)
  if state then
    finish(tenant, id, state, head)
    flags = 0
  elseif wait > 0 then
    state = action == 'r' and RETRYABLE or SCHEDULED
    available = now + wait
    delay(tenant, id, available)
  else
    state = AVAILABLE
    if action == 'r' then available = now end
    local _, _, lane = route(record)
    push(tenant, queue, lane, byte(head, 2), available, id, action == 'g')
  end
  head = sub(head, 1, 3) .. char(state) .. sub(head, 5, 22)
    .. struct.pack('<I2', number(head, 23, 2) + failed) .. sub(head, 25, 26)
    .. time6(available) .. (ends[action] and time6(now) or sub(head, 33, 38))
    .. struct.pack('<I8', number(head, 39, 8) + fuel) .. sub(head, 47, 52) .. char(flags) .. sub(head, 54)
  -- Written whole: APPEND would leave as much room again behind the value.
  call('SET', key, head .. sub(record, HEADER + 1) .. entry)
  count(tenant, queue, RUNNING, -1)
  count(tenant, queue, state, 1)
  return 'r'
end

for i = 3, #ARGV, 9 do
  answer[#answer + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4],
    tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6]), tonumber(ARGV[i + 7]), ARGV[i + 8])
end
each_batch('SREM', worker_key(worker, 'held'), left)
flush_finished()
flush_lanes()
flush_counts()
return table.concat(answer)
