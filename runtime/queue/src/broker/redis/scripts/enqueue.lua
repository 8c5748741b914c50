-- Adds jobs, all or none (what can be refused is refused before this runs, or
-- by Redis before the script starts).
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, then groups of jobs that are alike:
--   queue, lane, priority, crash limit, delay in ms, how many, then for each:
--   id, call (route and body)
-- Returns one character a job: '1' new, '0' was there already.
local tenant = ARGV[2]
local answer, at = {}, 3
call('SADD', R .. '@tenants', tenant)
while ARGV[at] do
  local queue, lane, priority = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local limit, wait, jobs = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  at = at + 6
  local state = wait > 0 and SCHEDULED or AVAILABLE
  local available = now + wait
  -- Offsets as in record.rs: worker, times and counters are still zero.
  local head = char(VERSION, priority, limit, state) .. string.rep('\0', 22) .. time6(available)
    .. string.rep('\0', 14) .. time6(now) .. '\0'
  local added = 0
  for i = at, at + 2 * jobs - 1, 2 do
    local id, body = ARGV[i], ARGV[i + 1]
    local record = head .. struct.pack('<I3', #body) .. body
    if call('SET', job_key(tenant, id), record, 'NX') then
      added = added + 1
      answer[#answer + 1] = '1'
      if wait > 0 then
        delay(tenant, id, available)
      else
        push(tenant, queue, lane, priority, available, id)
      end
    else
      answer[#answer + 1] = '0'
    end
  end
  at = at + 2 * jobs
  if added > 0 then
    call('SADD', R .. tenant .. ':queues', queue)
    count(tenant, queue, state, added)
  end
end
flush_lanes()
flush_counts()
return table.concat(answer)
