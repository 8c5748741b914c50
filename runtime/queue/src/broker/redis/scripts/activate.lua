-- Makes a release the active one, ends its staging, lets old ones go, and goes by
-- what its tasks say of their rate and concurrency.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, name, number, how many releases are kept, then for each
--   task with limits: its full name, limit (as limit.lua); then '' and the schedules of
--   its tasks (timetable.lua)
-- Returns {'ok'}, {'missing'} where the name has no such release, or {'taken', name of
--   a schedule, its owner}.
local tenant, name, wanted = ARGV[2], ARGV[3], tonumber(ARGV[4])
local releases = R .. tenant .. ':rel:' .. name
local release = call('HGET', releases, wanted)
if not release then return { 'missing' } end
local said = against(tenant, quota_of(tenant), 0, 0)
if said then return refuse(said) end
local schedules = 6
while ARGV[schedules] ~= '' do schedules = schedules + 6 end
local taken = declare(tenant, 'module:' .. name, schedules + 1, #ARGV, true)
if taken then return taken end
local digest = sub(release, 1, 32)
call('HSET', R .. tenant .. ':active', name, struct.pack('<I4', wanted) .. digest)
call('HDEL', R .. '@staged', digest .. tenant)
call('DEL', R .. '@staged:' .. digest .. tenant)
local oldest_kept = tonumber(call('HGET', releases, 'n')) - tonumber(ARGV[5])
for _, field in ipairs(call('HKEYS', releases)) do
  local it = tonumber(field)
  if it and it <= oldest_kept and it ~= wanted then call('HDEL', releases, field) end
end
local declared, names = {}, {}
for i = 6, schedules - 1, 6 do
  declared[ARGV[i]] = { tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), 0, 0, 0 }
end
local spoken = R .. tenant .. ':declared'
local before = call('HGET', spoken, name)
for _, task in ipairs(before and cmsgpack.unpack(before) or {}) do
  if not declared[task] then put_limit(tenant, 'declared:' .. task, nil) end
end
for task, limit in pairs(declared) do
  put_limit(tenant, 'declared:' .. task, limit)
  names[#names + 1] = task
end
if #names > 0 then call('HSET', spoken, name, cmsgpack.pack(names)) else call('HDEL', spoken, name) end
return { 'ok' }
