-- Makes discarded and cancelled jobs available again.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, ids
-- Returns {a letter for each, ids}: 'r' requeued, 'm' there is none, 'u' the next of
--   the ids holds its unique key, or the digit of the state that it is in.
local tenant, letters, ids = ARGV[2], {}, {}

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

local function requeue(id)
  local key = job_key(tenant, id)
  local record = call('GET', key)
  local state = record and state_of(record)
  if not state then return 'm' end
  if state ~= DISCARDED and state ~= CANCELLED then return tostring(state) end
  local terms = terms_of(record)
  if terms.u and terms.m ~= 't' then
    local other = holder(tenant, terms.u)
    if other then ids[#ids + 1] = other; return 'u' end
    hold(tenant, id, terms)
  end
  -- An entry of an earlier stay may still lie in its lane: it must not count again.
  local available = math.max(now, number(record, 27, 6) + 1)
  local bytes, tail = call_of(record, terms)
  local _, queue = route(record)
  call('DECRBY', R .. tenant .. ':bytes', weight(tenant, id, record, #record))
  call('ZREM', R .. tenant .. ':ended:' .. state, id)
  record = sub(record, 1, 3) .. char(AVAILABLE) .. sub(record, 5, 8) .. NOBODY .. sub(record, 17, 22)
    .. string.rep('\0', 4) .. time6(available) .. string.rep('\0', 6) .. sub(record, 39, 52)
    .. char(bit.band(byte(record, 53), BLOBS)) .. struct.pack('<I3', #bytes) .. bytes .. tail
  call('SET', key, record)
  push_job(tenant, id, record, time6(available))
  count(tenant, queue, state, -1)
  count(tenant, queue, AVAILABLE, 1)
  return 'r'
end

for i = 3, #ARGV do letters[#letters + 1] = requeue(ARGV[i]) end
flush_lanes()
flush_counts()
return { table.concat(letters), table.concat(ids) }
