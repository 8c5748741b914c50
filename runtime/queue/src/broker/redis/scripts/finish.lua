-- Shared by the scripts that end jobs, behind the terms.
local finished, grown = {}, {}
-- The longest record that its waiters are sent: what they do not read at once, Redis
-- keeps for them.
local TOLD = 4096

-- Schedules that went by a task's completions hear of one; only tenants that have
-- such pay for it.
local watching = {}
local function tell_of(tenant, record)
  local any = watching[tenant]
  if any == nil then
    any = call('EXISTS', R .. tenant .. ':watched') == 1
    watching[tenant] = any
  end
  if not any then return end
  local module, _, _, _, _, at = route(record)
  local task = task_of(module, record, at)
  if call('HEXISTS', R .. tenant .. ':watched', task) == 0 then return end
  call('HSET', R .. tenant .. ':watched', task, now)
  for _, name in ipairs(call('SMEMBERS', R .. tenant .. ':watch:' .. task)) do
    expect('@fires', tenant .. '\0' .. name, now)
  end
end

-- A job's note goes with its end; but a source that did not complete goes on at its
-- cursor if it is requeued. Whether that is kept.
local function drop_note(tenant, id, state)
  local key = note_key(tenant, id)
  local kept = state ~= COMPLETED and call('HEXISTS', key, 's') == 1
  if kept then call('HDEL', key, 'p', 'l') else call('UNLINK', key) end
  return kept
end

-- What a job's end brings with it: its place among the ended, its note and its
-- keys gone, its waiters told. `record` is what it was before, at least header
-- and route; `length` what it takes from now on; `left` what it is from now on,
-- where the caller has it at hand. The flags that it has from now on beside BLOBS.
local function finish(tenant, id, state, record, length, left)
  local terms, flags = terms_of(record), byte(record, 53)
  local kept = bit.band(flags, NOTED) > 0 and drop_note(tenant, id, state)
  if state == COMPLETED then tell_of(tenant, record) end
  if state == COMPLETED and terms.t then
    call('ZADD', R .. tenant .. ':ttl', now + terms.t, id)
  elseif state == COMPLETED then
    gather(finished, tenant, id)
  else
    call('ZADD', R .. tenant .. ':ended:' .. state, now, id)
  end
  grown[tenant] = (grown[tenant] or 0) + weight(tenant, id, record, length)
  store(tenant, length - HEADER - number(record, 54, 3))
  if flags == 0 and terms == NO_TERMS then return 0 end
  if terms.e or terms.x then call('ZREM', R .. tenant .. ':expiring', id) end
  if terms.u and terms.m ~= 't' then let_go(tenant, id, ':u:', terms.u) end
  if flags % 2 == WAITED then
    tell_end(tenant, id, length <= TOLD and left or '')
    local held = R .. tenant .. ':then:' .. id
    for _, name in ipairs(call('SMEMBERS', held)) do expect('@fires', tenant .. '\0' .. name, now) end
    call('DEL', held)
  end
  if terms.o then count_open(tenant, terms.o, -1) end
  local with_flow = terms.w and end_node(tenant, state, byte(record, 4), terms)
  return (with_flow and CANCELLING or 0) + (kept and NOTED or 0)
end

local function flush_finished()
  flush_flows()
  flush_sources()
  for tenant, ids in pairs(finished) do each_batch('RPUSH', R .. tenant .. ':completed', ids) end
  for tenant, bytes in pairs(grown) do call('INCRBY', R .. tenant .. ':bytes', bytes) end
end

-- An entry of a record's tail (record.rs) for an end that no worker tells of.
local function entry(ending, head, began, kind, said)
  local worker, started = string.rep('\0', 8), string.rep('\0', 6)
  if began then worker, started = sub(head, 9, 16), sub(head, 17, 22) end
  return '\146\192\155' .. char(ending) .. '\206' .. string.reverse(sub(head, 5, 8))
    .. '\207' .. string.reverse(worker) .. '\192\0\207\0\0' .. string.reverse(started) .. '\0\0\0'
    .. '\147' .. char(160 + #kind) .. kind .. '\217' .. char(#said) .. said .. '\192\192'
end
local EXPIRED = { 12, 'expired', 'it had not begun when its time was over' }
local STOPPED = { 8, 'cancelled', 'cancelled before it ran' }
local ABANDONED = { 8, 'cancelled', 'cancelled, and its worker gave it back or died' }

-- Ends a job that is in nobody's hands (any more): `state` with the word `why`.
-- The caller has taken it out of the worker's set, if it was in one.
local function close(tenant, id, head, state, why, began)
  local key, before = job_key(tenant, id), byte(head, 4)
  local queue, lane = queue_of(head)
  if before == AVAILABLE then free_lane(tenant, queue, lane) end
  if before == SCHEDULED or before == RETRYABLE then call('ZREM', R .. tenant .. ':delayed', id) end
  local length = call('APPEND', key, entry(why[1], head, began, why[2], why[3]))
  local flags = finish(tenant, id, state, head, length)
  call('SETRANGE', key, 3, char(state) .. sub(head, 5, 8) .. NOBODY)
  call('SETRANGE', key, 32, time6(now))
  call('SETRANGE', key, 52, char(bit.band(byte(head, 53), BLOBS) + flags))
  count(tenant, queue, before, -1)
  count(tenant, queue, state, 1)
end
