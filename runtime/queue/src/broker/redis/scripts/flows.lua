-- Flows as they stand.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, then a flow's id, or '', how many to pass over, how many
-- Returns for each, flat: id, name, state's letter, nodes, pending, done, failed, begun,
--   ended, ms that it is kept or ''.
local tenant, answer = ARGV[2], {}
local ids = { ARGV[3] }
if ARGV[3] == '' then
  ids = call('ZREVRANGE', R .. tenant .. ':flows', ARGV[4], ARGV[4] + ARGV[5] - 1)
end
for _, id in ipairs(ids) do
  local has = call('HMGET', R .. tenant .. ':f:' .. id,
    'name', 'state', 'nodes', 'pending', 'done', 'failed', 'begun', 'ended', 'keep')
  if has[1] and has[2] ~= 'g' then
    answer[#answer + 1] = id
    for i = 1, 9 do answer[#answer + 1] = has[i] or '' end
  end
end
return answer
