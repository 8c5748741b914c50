-- Fires a schedule: makes its jobs and sets its next time, in one step.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, name, revision or '' where somebody fires by hand, time of
--   the look, next time or '', time that waits or '', times without a job, then for
--   each fire: its time, '1' where that is the first of those held, how many arguments
--   follow, and these: a batch (add.lua) of one job, or why there is none
-- Returns {letter and what it brings (schedules.rs) for each fire}; nothing where the
--   schedule is paused, gone or not as it was looked at.
local HELD, KEPT = 100, 100 -- schedules.rs
local tenant, name, by_hand = ARGV[2], ARGV[3], ARGV[4] == ''
local key = schedule_key(tenant, name)
local known = call('HMGET', key, 'revision', 'paused', 'last', 'held', 'overlap', 'needs')
if not known[1] or call('HEXISTS', R .. '@leaving', tenant) == 1 then return nil end
if not by_hand and (known[1] ~= ARGV[4] or known[2] == '1') then return nil end
local last, held, overlap = known[3], known[4] or '', known[5]
local answer, entries, made = {}, {}, 0

-- The job of a fire, whose batch lies there in ARGV; what became of it.
local function make(at, upto)
  local id = ARGV[at + 6]
  local said = add(tenant, at, upto)
  if said[1] == 'full' then return 'r' .. 'queue `' .. said[2] .. '` is full' end
  if said[1] == 'duplicate' then return 'rits unique key is held by another job' end
  if said[1] == 'missing' then return 'rits input is gone' end
  if said[1] == 'quota' then return 'rthe quota `' .. said[2] .. '` is used up' end
  if said[1] == 'suspended' then return 'rthe tenant is suspended' end
  flush_counts()
  if said[3] ~= '' then id = said[3] end
  if sub(said[2], 1, 1) == 'n' then made = made + 1 end
  last = id
  return 'j' .. id
end

-- What becomes of a fire; nothing where it goes on waiting.
local function fire(time, first_held, at, upto)
  if at == upto then
    if first_held and sub(held, 1, 6) == time then held = sub(held, 7) end
    return 'r' .. ARGV[at]
  end
  local live = overlap ~= 'a' and is_live(tenant, last)
  if first_held then
    if live or sub(held, 1, 6) ~= time then return nil end
    held = sub(held, 7)
    return make(at, upto)
  end
  if overlap == 's' and live then return 's' end
  if overlap == 'q' and (live or held ~= '') then
    if #held >= 6 * HELD then return 'r' .. HELD .. ' fires wait already' end
    held = held .. time
    return 'h'
  end
  if overlap == 'r' and live then
    cancel(tenant, last)
    -- Its place in the queue is free for the other.
    flush_counts()
  end
  return make(at, upto)
end

local at = 9
while ARGV[at] do
  local time, from = time6(tonumber(ARGV[at])), at + 3
  local upto = from + tonumber(ARGV[at + 2]) - 1
  local became = fire(time, ARGV[at + 1] == '1', from, upto)
  if became then
    entries[#entries + 1] = time .. time6(now) .. (by_hand and '1' or '0') .. became
  end
  answer[#answer + 1] = became or 'h'
  at = upto + 1
end

if entries[1] then
  call('LPUSH', key .. ':fires', unpack(entries))
  call('LTRIM', key .. ':fires', 0, KEPT - 1)
end
call('HSET', key, 'last', last or '', 'held', held)
call('HINCRBY', key, 'revision', 1)
if made > 0 then call('HINCRBY', key, 'fired', made) end
local waits_for_end = held ~= '' and is_live(tenant, last)
if waits_for_end then
  call('SADD', R .. tenant .. ':then:' .. last, name)
  local flags = byte(call('GETRANGE', job_key(tenant, last), 52, 52))
  if flags % 2 == 0 then call('SETRANGE', job_key(tenant, last), 52, char(flags + WAITED)) end
end
if not by_hand then
  local due, waiting, needs = ARGV[6], ARGV[7], needs_of(known[6])
  call('HSET', key, 'due', due, 'waiting', waiting)
  if tonumber(ARGV[8]) > 0 then call('HINCRBY', key, 'missed', ARGV[8]) end
  watch(tenant, name, needs, waiting ~= '')
  local look = tonumber(due)
  if held ~= '' and not waits_for_end then look = now end
  -- A task may have completed since the look.
  for _, task in ipairs(waiting ~= '' and needs or {}) do
    if tonumber(call('HGET', R .. tenant .. ':watched', task) or 0) >= tonumber(ARGV[5]) then look = now end
  end
  look_at(tenant, name, look)
end
flush_finished()
flush_lanes()
flush_counts()
return answer
