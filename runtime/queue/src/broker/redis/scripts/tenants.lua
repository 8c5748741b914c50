-- Tenants that have a record, by name; or one.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', the name behind which to begin, how many at most; or the one's name, 0
-- Returns for each: its name, created, weight, 1 where it is suspended, quota as JSON,
--   since when it is being deleted or ''.
local names, answer = { ARGV[2] }, {}
if ARGV[3] ~= '0' then
  local after = ARGV[2] == '' and '-' or '(' .. ARGV[2]
  names = call('ZRANGEBYLEX', R .. '@records', after, '+', 'LIMIT', 0, ARGV[3])
end
for _, name in ipairs(names) do
  local has = call('HMGET', R .. name .. ':tenant', 'created', 'weight', 'suspended', 'quota')
  local leaving = string.match(call('HGET', R .. '@leaving', name) or '', '^%d+')
  if has[1] then answer[#answer + 1] = { name, has[1], has[2], has[3], has[4], leaving or '' } end
end
return answer
