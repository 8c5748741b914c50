-- What is kept of a flow for its clients.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, flow
-- Returns the bytes, or nothing where there is no such flow.
local key = R .. ARGV[2] .. ':f:' .. ARGV[3]
local state = call('HGET', key, 'state')
return state and state ~= 'g' and (call('GET', key .. ':about') or '')
