-- Schedules by their names.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, name behind which to begin or '', limit, one name or ''
-- Returns for each: spec, owner, revision, due, waiting, paused, last, held, fired,
--   missed; '' for what there is not. Of the one name, its fires follow, newest first.
local tenant, one = ARGV[2], ARGV[5]
local FIELDS = { 'spec', 'owner', 'revision', 'due', 'waiting', 'paused', 'last', 'held', 'fired', 'missed' }
local names = { one }
if one == '' then
  names = call('ZRANGEBYLEX', R .. tenant .. ':schedules', '(' .. ARGV[3], '+', 'LIMIT', 0, ARGV[4])
end
local answer = {}
for _, name in ipairs(names) do
  local key = R .. tenant .. ':s:' .. name
  local known = call('HMGET', key, unpack(FIELDS))
  if known[1] then
    for i = 1, #FIELDS do answer[#answer + 1] = known[i] or '' end
  end
end
if one ~= '' and answer[1] then
  for _, entry in ipairs(call('LRANGE', R .. tenant .. ':s:' .. one .. ':fires', 0, -1)) do
    answer[#answer + 1] = entry
  end
end
return answer
