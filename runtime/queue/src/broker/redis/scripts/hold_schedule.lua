-- Pauses a schedule, lets it go on, or forgets it.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, name, 'pause', 'resume' or 'remove', the next time or ''
-- Returns 1, or 0 where there is none.
local tenant, name, word = ARGV[2], ARGV[3], ARGV[4]
if word == 'remove' then return forget_schedule(tenant, name) and 1 or 0 end
local key = schedule_key(tenant, name)
if call('EXISTS', key) == 0 then return 0 end
if word == 'pause' then
  call('HINCRBY', key, 'revision', 1)
  call('HSET', key, 'paused', '1')
  look_at(tenant, name, nil)
elseif call('HGET', key, 'paused') == '1' then
  call('HINCRBY', key, 'revision', 1)
  local held = call('HGET', key, 'held')
  call('HSET', key, 'paused', '0', 'due', ARGV[5], 'waiting', '')
  -- What it held may go on at once.
  look_at(tenant, name, held and held ~= '' and now or tonumber(ARGV[5]))
end
return 1
