-- Schedules to look at. Whoever is told of one is alone with it for a while.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', limit
-- Returns {now, then for each: tenant, name, spec, owner, revision, due, waiting,
--   paused, last, held, fired, missed, {task, when it completed last, …}}.
local ALONE = 1000
local FIELDS =
  { 'spec', 'owner', 'revision', 'due', 'waiting', 'paused', 'last', 'held', 'fired', 'missed', 'needs' }
local answer = { now }
for _, member in ipairs(call('ZRANGEBYSCORE', R .. '@fires', '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local tenant, name = string.match(member, '^([^%z]*)%z(.*)$')
  local known = call('HMGET', R .. tenant .. ':s:' .. name, unpack(FIELDS))
  if not known[1] or known[6] == '1' then
    call('ZREM', R .. '@fires', member)
  else
    call('ZADD', R .. '@fires', now + ALONE, member)
    answer[#answer + 1] = tenant
    answer[#answer + 1] = name
    for i = 1, #FIELDS - 1 do answer[#answer + 1] = known[i] or '' end
    local needs, completed = known[11] and known[11] ~= '' and cmsgpack.unpack(known[11]) or {}, {}
    for _, task in ipairs(needs) do
      completed[#completed + 1] = task
      completed[#completed + 1] = call('HGET', R .. tenant .. ':watched', task) or '0'
    end
    answer[#answer + 1] = completed
  end
end
return answer
