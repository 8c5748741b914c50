-- Ends deliveries. It is worse to lose a job than to run it twice, and worse to
-- write a result over another than to drop it: hence the fence.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', worker, then for each settlement: tenant, queue, id, delivery
--   (4 bytes), action (c r d x g), wait in ms, fuel, failed runs to add, the
--   attempt's entry or '', the digest of the result's blob or ''
-- Returns one character a settlement: 'r' recorded, 's' stale, 'm' missing.
local worker = ARGV[2]
local answer, left, stopped = {}, {}, {}
local ends = { c = COMPLETED, d = DISCARDED, x = CANCELLED }

-- A record with other flags.
local function flagged(record, flags) return sub(record, 1, 52) .. char(flags) .. sub(record, 54) end

local function settle(tenant, queue, id, delivery, action, wait, fuel, failed, attempt, blob)
  local key = job_key(tenant, id)
  local record = call('GET', key)
  if not record or not readable(record) then return 'm' end
  if sub(record, 5, 8) ~= delivery or sub(record, 9, 16) ~= worker then return 's' end
  if byte(record, 4) ~= RUNNING then return 'r' end -- a repeat
  left[#left + 1] = id .. tenant
  release(tenant, record)
  if action == 'g' then refund(tenant, record) end
  local available, flags = number(record, 27, 6), byte(record, 53)
  if bit.band(flags, CANCELLING) > 0 then
    stopped[#stopped + 1] = id
    if action ~= 'c' then action = 'x' end
    if attempt == '' then attempt = entry(ABANDONED[1], record, true, ABANDONED[2], ABANDONED[3]) end
  end
  local state = ends[action]
  if state then
    if blob ~= '' and refer(tenant, id, blob) then flags = bit.bor(flags, BLOBS) end
    if flags ~= byte(record, 53) then record = flagged(record, flags) end
    finish(tenant, id, state, record, #record + #attempt)
    flags = bit.band(flags, BLOBS)
  elseif wait > 0 then
    state = action == 'r' and RETRYABLE or SCHEDULED
    available = now + wait
    delay(tenant, id, available)
  else
    state = AVAILABLE
    if action == 'r' then available = now end
    push_job(tenant, id, record, available, action == 'g')
  end
  local head = sub(record, 1, 3) .. char(state) .. sub(record, 5, 22)
    .. struct.pack('<I2', number(record, 23, 2) + failed) .. sub(record, 25, 26)
    .. time6(available) .. (ends[action] and time6(now) or sub(record, 33, 38))
    .. struct.pack('<I8', number(record, 39, 8) + fuel) .. sub(record, 47, 52)
    .. char(bit.band(flags, 255 - ALL_COUNTED)) .. sub(record, 54, HEADER)
  -- Written whole: APPEND would leave as much room again behind the value.
  call('SET', key, head .. sub(record, HEADER + 1) .. attempt)
  count(tenant, queue, RUNNING, -1)
  count(tenant, queue, state, 1)
  return 'r'
end

for i = 3, #ARGV, 10 do
  answer[#answer + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4],
    tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6]), tonumber(ARGV[i + 7]), ARGV[i + 8], ARGV[i + 9])
end
each_batch('SREM', worker_key(worker, 'held'), left)
each_batch('SREM', worker_key(worker, 'cancel'), stopped)
flush_limits()
flush_finished()
flush_lanes()
flush_counts()
return table.concat(answer)
