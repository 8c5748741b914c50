-- What flows have left to do, in steps: only promote has it, behind again.
--
-- Work is {tenant, flow, kind, which, from}. Kinds: 'f' frees what waits for a joint;
-- 'u', 'c', 'b' cancel: what is not a handler, all, what is pending; 'v', 'y' bring
-- back: what was cancelled with the flow, whatever has not completed. Work that stops a
-- flow is over when that goes on, and the other way round.
local WORK, TURNS = 300, 50 -- nodes a step, and pieces of work
local WITH_FLOW = { 8, 'upstream', 'cancelled with its flow' }

local visits = {}
function visits.f(f, id) free_node(f, id) end

local function stop_node(f, id, kind)
  local head = head_of(f.tenant, id)
  local state = state_of(head)
  -- What cannot be read has gone to the dead list, and its flow has not heard of that.
  if not state and not newer(head) and call('SADD', f.key .. ':lost', id) == 1 then
    f.live, f.failed = f.live - 1, f.failed + 1
  end
  if not state or state >= COMPLETED then return end
  if kind == 'u' and terms_of(head).p == 'h' then return end
  if kind == 'b' and state ~= 0 then return end
  if state == RUNNING then cancel(f.tenant, id) else close(f.tenant, id, head, CANCELLED, WITH_FLOW) end
end
visits.u, visits.c, visits.b = stop_node, stop_node, stop_node

function visits.v(f, id, kind)
  local head = call('GETRANGE', job_key(f.tenant, id), 0, HEADER - 1)
  local state = state_of(head)
  local marked = state == CANCELLED and bit.band(byte(head, 53), CANCELLING) > 0
  if marked or (kind == 'y' and (state == CANCELLED or state == DISCARDED)) then run_again(f.tenant, id) end
end
visits.y = visits.v

-- One step of a piece of work; how many nodes that were.
local function work_on(packed, most)
  local tenant, flow, kind, which, from = unpack(cmsgpack.unpack(packed))
  local f = flow_of(tenant, flow)
  local off = f.state == 'g' or (kind ~= 'f' and which ~= f.turns)
  local list = f.key .. (kind == 'f' and ':out:' .. which or ':ids')
  local ids = off and {} or call('LRANGE', list, from, from + most - 1)
  for _, id in ipairs(ids) do visits[kind](f, id, kind) end
  if #ids == most then
    call('RPUSH', R .. '@freeing', cmsgpack.pack({ tenant, flow, kind, which, from + most }))
  else
    f.live = f.live - 1
    if kind == 'f' then call('UNLINK', list) end
  end
  return #ids
end

local function work_some()
  local left = WORK
  for _ = 1, TURNS do
    local packed = left > 0 and call('LPOP', R .. '@freeing')
    if not packed then return end
    left = left - work_on(packed, left)
  end
end
