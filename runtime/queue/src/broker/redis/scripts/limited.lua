-- All limits and pauses of a tenant.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant
-- Returns for each: {scope, starts, period in ms, concurrency, depth + 1, strict,
--   paused, 1 where it is a module's word, how many run}.
local tenant, answer, running = ARGV[2], {}, {}
local busy = call('HGETALL', R .. tenant .. ':busy')
for i = 1, #busy, 2 do
  local queue, jobs = string.match(busy[i], '^lane:([^/]*)'), tonumber(busy[i + 1])
  running[busy[i]] = jobs
  if queue then running['lanes:' .. queue] = (running['lanes:' .. queue] or 0) + jobs end
end
local fields = call('HGETALL', R .. tenant .. ':limits')
local set = {}
for i = 1, #fields, 2 do set[fields[i]] = fields[i + 1] end
for field, packed in pairs(set) do
  local kind, name = string.match(field, '^([%l#]+):?(.*)$')
  local scope = kind == 'declared' and 'task:' .. name or field
  -- An operator's word on a task stands for both, as far as it goes.
  local covered = kind == 'declared' and set[scope]
  if sub(field, 1, 1) ~= '#' and not covered then
    local limit, general = cmsgpack.unpack(packed), kind == 'task' and set['declared:' .. name]
    if general then limit = merged(limit, cmsgpack.unpack(general)) end
    answer[#answer + 1] = { scope, limit[1], limit[2], limit[3], limit[4], limit[5], limit[6],
      kind == 'declared' and 1 or 0, running[scope] or 0 }
  end
end
return answer
