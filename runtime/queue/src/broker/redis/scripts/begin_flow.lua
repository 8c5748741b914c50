-- Begins a flow.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, flow, name, nodes, ms that it is kept or '', what is kept of it
-- Returns 1, or 0 where it is there already.
local HOUR = 3600000
local tenant, id = ARGV[2], ARGV[3]
local key = R .. tenant .. ':f:' .. id
if call('EXISTS', key) == 1 then return 0 end
local said = against(tenant, quota_of(tenant), 0, 0)
if said then return refuse(said) end
call('SADD', R .. '@tenants', tenant)
call('HSET', key, 'name', ARGV[4], 'nodes', ARGV[5], 'state', 'b', 'stop', '', 'added', 0, 'joints', 0,
  'live', 0, 'pending', 0, 'done', 0, 'failed', 0, 'begun', now, 'ended', 0)
if ARGV[6] ~= '' then call('HSET', key, 'keep', ARGV[6]) end
if ARGV[7] ~= '' then call('SET', key .. ':about', ARGV[7]) end
call('ZADD', R .. tenant .. ':flows', now, id)
-- One that nobody starts is forgotten.
call('ZADD', R .. tenant .. ':flows:going', now + HOUR, id)
return 1
