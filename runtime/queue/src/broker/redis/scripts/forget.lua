-- Shared by the scripts that forget jobs, behind the terms.
local shrunk = {}

-- Forgets a job that has ended, with all that lies beside it but its place among
-- the ended. `head` is the record, or at least header and route.
local function forget(tenant, id, head)
  local queue = queue_of(head)
  local terms = terms_of(head)
  local length = call('STRLEN', job_key(tenant, id))
  -- A node of a flow that nobody started has not ended.
  if byte(head, 4) >= COMPLETED then
    shrunk[tenant] = (shrunk[tenant] or 0) + weight(tenant, id, head, length)
    store(tenant, -length)
  else
    store(tenant, -HEADER - number(head, 54, 3))
  end
  for _, digest in ipairs(blobs_of(tenant, id, head)) do
    local references, size, grace = blob_of(tenant, digest)
    if references and references <= 1 and grace <= now then
      drop_blob(tenant, digest)
    elseif references then
      set_blob(tenant, digest, math.max(0, references - 1), size, grace)
    end
  end
  if terms.k then let_go(tenant, id, ':k:', terms.k) end
  if terms.u then let_go(tenant, id, ':u:', terms.u) end
  call('UNLINK', job_key(tenant, id), note_key(tenant, id), R .. tenant .. ':r:' .. id)
  count(tenant, queue, byte(head, 4), -1)
end

-- Forgets a job of the dead list whose record cannot be read.
local function forget_unreadable(tenant, id)
  local queue = call('HGET', R .. tenant .. ':unreadable', id)
  if not queue then return false end
  call('HDEL', R .. tenant .. ':unreadable', id)
  call('ZREM', R .. tenant .. ':ended:' .. DISCARDED, id)
  store(tenant, -call('STRLEN', job_key(tenant, id)))
  call('UNLINK', job_key(tenant, id), note_key(tenant, id), R .. tenant .. ':r:' .. id)
  count(tenant, queue, DISCARDED, -1)
  return true
end

local function flush_forgotten()
  for tenant, bytes in pairs(shrunk) do call('DECRBY', R .. tenant .. ':bytes', bytes) end
end
