-- Makes a release the active one, ends its staging, and lets old ones go.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, name, number, how many releases are kept
-- Returns 1, or 0 where the name has no such release.
local tenant, name, wanted = ARGV[2], ARGV[3], tonumber(ARGV[4])
local releases = R .. tenant .. ':rel:' .. name
local release = call('HGET', releases, wanted)
if not release then return 0 end
local digest = sub(release, 1, 32)
call('HSET', R .. tenant .. ':active', name, struct.pack('<I4', wanted) .. digest)
call('HDEL', R .. '@staged', digest .. tenant)
call('DEL', R .. '@staged:' .. digest .. tenant)
local oldest_kept = tonumber(call('HGET', releases, 'n')) - tonumber(ARGV[5])
for _, field in ipairs(call('HKEYS', releases)) do
  local it = tonumber(field)
  if it and it <= oldest_kept and it ~= wanted then call('HDEL', releases, field) end
end
return 1
