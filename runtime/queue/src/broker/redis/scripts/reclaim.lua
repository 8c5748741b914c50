-- Takes jobs back from workers: from those whose lease ran out (a crash each),
-- or from one that retires (no crash).
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', limit of jobs, the retiring worker or ''
-- Returns {workers that are done with, jobs available again, jobs lost}.
local limit, retiring = tonumber(ARGV[2]), ARGV[3]
local crashed = retiring == '' and 1 or 0
local gone, again, lost = 0, 0, 0
local DAY = 86400

-- The entry of a run nobody came back from: record.rs, the tail.
local function lost_entry(head)
  local said = 'its worker died while it ran; that was crash ' .. number(head, 25, 2) + 1
  return '\146\192\155\9' .. '\206' .. string.reverse(sub(head, 5, 8))
    .. '\207' .. string.reverse(sub(head, 9, 16)) .. '\192\0'
    .. '\207\0\0' .. string.reverse(sub(head, 17, 22)) .. '\0\0\0'
    .. '\147\164lost\217' .. char(#said) .. said .. '\192' .. '\192'
end

local function take_back(worker, id, tenant)
  local head = head_of(tenant, id)
  if not readable(head) or byte(head, 4) ~= RUNNING or sub(head, 9, 16) ~= worker then return end
  local _, queue, lane = route(head)
  local crash, limit_of_job = number(head, 25, 2) + crashed, byte(head, 3)
  local is_lost = crashed == 1 and crash >= limit_of_job
  local state = is_lost and DISCARDED or AVAILABLE
  if is_lost then
    lost = lost + 1
    finish(tenant, id, DISCARDED, head)
    call('APPEND', job_key(tenant, id), lost_entry(head))
  else
    again = again + 1
    push(tenant, queue, lane, byte(head, 2), number(head, 27, 6), id, true)
  end
  call('SETRANGE', job_key(tenant, id), 3, char(state) .. sub(head, 5, 8) .. NOBODY .. sub(head, 17, 24)
    .. struct.pack('<I2', crash) .. sub(head, 27, 32) .. (is_lost and time6(now) or sub(head, 33, 38)))
  count(tenant, queue, RUNNING, -1)
  count(tenant, queue, state, 1)
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
    call('DEL', worker_key(worker, 'claim'))
  end
end
flush_finished()
flush_lanes()
flush_counts()
return { gone, again, lost }
