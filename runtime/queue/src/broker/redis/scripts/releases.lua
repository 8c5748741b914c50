-- The releases of a name, or of all names the active one.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, name or ''
-- Returns for each: name, number, 1 where it is active, digest .. time .. by.
local tenant, answer = ARGV[2], {}
local function add(name, number_of, active)
  local release = call('HGET', R .. tenant .. ':rel:' .. name, number_of)
  if release then answer[#answer + 1] = { name, tonumber(number_of), active and 1 or 0, release } end
end
if ARGV[3] ~= '' then
  local active = call('HGET', R .. tenant .. ':active', ARGV[3])
  for _, field in ipairs(call('HKEYS', R .. tenant .. ':rel:' .. ARGV[3])) do
    local is_active = active and number(active, 1, 4) == tonumber(field)
    if field ~= 'n' then add(ARGV[3], field, is_active) end
  end
else
  local active = call('HGETALL', R .. tenant .. ':active')
  for i = 1, #active, 2 do add(active[i], number(active[i + 1], 1, 4), true) end
end
return answer
