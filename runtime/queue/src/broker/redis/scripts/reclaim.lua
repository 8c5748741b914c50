-- Takes jobs back from workers: from those whose lease ran out (a crash each),
-- or from one that retires (no crash).
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', limit of jobs, the retiring worker or ''
-- Returns {workers that are done with, jobs available again, jobs lost}.
local limit, retiring = tonumber(ARGV[2]), ARGV[3]
local crashed = retiring == '' and 1 or 0
local gone, again, lost = 0, 0, 0
local DAY = 86400

local function take_back(worker, id, tenant)
  local head = head_of(tenant, id)
  if state_of(head) ~= RUNNING or sub(head, 9, 16) ~= worker then return end
  release(tenant, head)
  local key, crash, flags = job_key(tenant, id), number(head, 25, 2) + crashed, byte(head, 53)
  call('SETRANGE', key, 24, struct.pack('<I2', crash))
  if bit.band(flags, CANCELLING) > 0 then
    return close(tenant, id, head, CANCELLED, ABANDONED, true)
  end
  if crashed == 1 and crash >= byte(head, 3) then
    lost = lost + 1
    local said = 'its worker died while it ran; that was crash ' .. crash
    return close(tenant, id, head, DISCARDED, { 9, 'lost', said }, true)
  end
  again = again + 1
  call('SETRANGE', key, 3, char(AVAILABLE) .. sub(head, 5, 8) .. NOBODY)
  call('SETRANGE', key, 52, char(bit.band(flags, 255 - ALL_COUNTED)))
  push_job(tenant, id, head, sub(head, 27, 32), true)
  local queue = queue_of(head)
  count(tenant, queue, RUNNING, -1)
  count(tenant, queue, AVAILABLE, 1)
end

local workers = { retiring }
if retiring == '' then workers = call('ZRANGEBYSCORE', R .. '@leases', '-inf', now, 'LIMIT', 0, 100) end
for _, worker in ipairs(workers) do
  if limit <= 0 then break end
  -- From here on it is dead, also while it is taken apart over several calls.
  call('SET', worker_key(worker, 'dead'), 1, 'EX', DAY)
  local held = worker_key(worker, 'held')
  local jobs = call('SPOP', held, limit)
  limit = limit - #jobs
  table.sort(jobs) -- ids begin with their time
  for _, job in ipairs(jobs) do take_back(worker, sub(job, 1, 16), sub(job, 17)) end
  if call('EXISTS', held) == 0 then
    gone = gone + 1
    call('ZREM', R .. '@leases', worker)
    call('DEL', worker_key(worker, 'claim'), worker_key(worker, 'cancel'), worker_key(worker, 'about'))
  end
end
flush_limits()
flush_finished()
flush_lanes()
flush_counts()
return { gone, again, lost }
