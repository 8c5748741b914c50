-- Shared by cancel and enqueue, behind the finish.

-- Cancels a job; a letter for what became of it, as cancel.lua answers.
local function cancel(tenant, id)
  local head = head_of(tenant, id)
  local state = state_of(head)
  if not state then return 'm' end
  if state >= COMPLETED then return tostring(state) end
  if state ~= RUNNING then
    close(tenant, id, head, CANCELLED, STOPPED)
    return 'c'
  end
  local worker = sub(head, 9, 16)
  call('SETRANGE', job_key(tenant, id), 52, char(bit.bor(byte(head, 53), CANCELLING)))
  call('SADD', worker_key(worker, 'cancel'), id)
  call('PUBLISH', KEYS[1] .. ':@w:' .. worker, 'cancel' .. id .. tenant)
  return 'a'
end
