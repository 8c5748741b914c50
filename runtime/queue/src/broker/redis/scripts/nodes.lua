-- Some nodes of a flow, and where their jobs stand.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, flow, first, how many
-- Returns {their ids, a digit for the state of each or '?'}; nothing of a flow that is
--   on its way out.
local tenant, from = ARGV[2], tonumber(ARGV[4])
local key, states = R .. tenant .. ':f:' .. ARGV[3], {}
local state = call('HGET', key, 'state')
if not state or state == 'g' then return { '', '' } end
local ids = call('LRANGE', key .. ':ids', from, from + ARGV[5] - 1)
for i, id in ipairs(ids) do
  states[i] = state_of(call('GETRANGE', job_key(tenant, id), 0, HEADER - 1)) or '?'
end
return { table.concat(ids), table.concat(states) }
