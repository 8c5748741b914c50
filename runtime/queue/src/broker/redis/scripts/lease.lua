-- Shared by claim and extend, behind the prelude.

-- Renews a worker's lease, or gives it its first where that is `allowed`.
-- False for a worker that was declared dead.
local function renew(worker, lease, allowed)
  if call('EXISTS', worker_key(worker, 'dead')) == 1 then return false end
  if not allowed and not call('ZSCORE', R .. '@leases', worker) then return false end
  call('ZADD', R .. '@leases', now + lease, worker)
  return true
end
