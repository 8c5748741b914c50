-- Shared by requeue and promote, behind the finish: ended jobs that run again.

-- The call of a record without its expiry, which is for the first time only.
local function call_of(record, terms)
  local length = number(record, 54, 3)
  local bytes = sub(record, HEADER + 1, HEADER + length)
  if not (terms.e or terms.x) then return bytes, sub(record, HEADER + 1 + length) end
  local _, _, _, _, packed, body = route(record)
  terms.e, terms.x = nil, nil
  local rest = next(terms) and cmsgpack.pack(terms) or ''
  return sub(record, HEADER + 1, body - #packed - 2) .. char(#rest) .. rest .. sub(record, body, HEADER + length),
    sub(record, HEADER + 1 + length)
end

-- A flow goes on, and with it what was cancelled with it.
local function revive(f)
  if f.state == 'r' and f.stop == '' then return end
  local stopped = f.stop ~= ''
  turn(f, '')
  if stopped then leave_work(f, 'v') end
  f.state = 'r'
  call('HSET', f.key, 'state', 'r', 'ended', 0)
  for _, set in ipairs({ 'going', 'ended:c', 'ended:f' }) do call('ZREM', R .. f.tenant .. ':flows:' .. set, f.id) end
end

-- What a node's end was to its flow is undone; the state that it is in then.
local function rejoin_flow(f, record, terms)
  if bit.band(byte(record, 53), CANCELLING) > 0 then
    -- It was cancelled with its flow, and has not failed.
  elseif terms.p == 'g' then
    f.done = f.done - 1
    local left = terms.j and tonumber(call('HGET', f.key .. ':left', terms.j)) or 0
    if left > 0 then call('HINCRBY', f.key .. ':left', terms.j, 1) end
  else
    f.failed = f.failed - 1
  end
  revive(f)
  if number(record, 27, 6) == 0 then
    f.pending = f.pending + 1
    return 0
  end
  f.live = f.live + 1
  return AVAILABLE
end

-- Makes a job available again, or pending where its flow has not come to it; a letter
-- as requeue.lua answers it, and who holds its unique key.
local function run_again(tenant, id)
  local key = job_key(tenant, id)
  local record = call('GET', key)
  local state = record and state_of(record)
  if not state then return 'm' end
  if state ~= DISCARDED and state ~= CANCELLED then return tostring(state) end
  local terms, to, before = terms_of(record), AVAILABLE, #record
  local f = terms.w and flow_of(tenant, terms.w)
  if f and (f.state == 'g' or f.state == 'b') then return 'm' end
  if terms.u and terms.m ~= 't' then
    local other = holder(tenant, terms.u)
    if other then return 'u', other end
    hold(tenant, id, terms)
  end
  if f then to = rejoin_flow(f, record, terms) end
  if terms.o then count_open(tenant, terms.o, 1) end
  -- An entry of an earlier stay may still lie in its lane: it must not count again.
  local available = to == AVAILABLE and math.max(now, number(record, 27, 6) + 1) or 0
  -- What waits again expires as it would have.
  local bytes, tail = call_of(record, to == AVAILABLE and terms or {})
  local queue = queue_of(record)
  call('DECRBY', R .. tenant .. ':bytes', weight(tenant, id, record, #record))
  call('ZREM', R .. tenant .. ':ended:' .. state, id)
  record = sub(record, 1, 3) .. char(to) .. sub(record, 5, 8) .. NOBODY .. sub(record, 17, 22)
    .. string.rep('\0', 4) .. time6(available) .. string.rep('\0', 6) .. sub(record, 39, 52)
    .. char(bit.band(byte(record, 53), BLOBS + NOTED)) .. struct.pack('<I3', #bytes) .. bytes .. tail
  call('SET', key, record)
  store(tenant, HEADER + #bytes - before)
  if to == AVAILABLE then push_job(tenant, id, record, time6(available)) end
  count(tenant, queue, state, -1)
  count(tenant, queue, to, 1)
  return 'r'
end
