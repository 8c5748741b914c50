-- Makes a release that is not active yet, and tells the workers.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, name, digest, by
-- Returns {number, 1 where it is active, digest .. time .. by}; nil where the digest is not stored.
local tenant, digest = ARGV[2], ARGV[4]
if call('EXISTS', R .. tenant .. ':m:' .. digest) == 0 then return nil end
local quota, names = quota_of(tenant), R .. tenant .. ':names'
local said = against(tenant, quota, 0, 0)
if not said and quota and quota[6] > 0 and call('SISMEMBER', names, ARGV[3]) == 0 then
  local used = call('SCARD', names)
  if used + 1 >= quota[6] then said = { 'quota', 'modules', quota[6] - 1, used } end
end
if said then return refuse(said) end
call('SADD', names, ARGV[3])
local releases = R .. tenant .. ':rel:' .. ARGV[3]
local newest = tonumber(call('HGET', releases, 'n')) or 0
local release = call('HGET', releases, newest)
if not release or sub(release, 1, 32) ~= digest then
  newest = newest + 1
  release = digest .. time6(now) .. ARGV[5]
  call('HSET', releases, newest, release, 'n', newest)
end
call('SADD', R .. '@tenants', tenant)
call('HSET', R .. '@staged', digest .. tenant, now)
call('PUBLISH', KEYS[1] .. ':@all', 'staged')
local active = call('HGET', R .. tenant .. ':active', ARGV[3])
return { newest, active and number(active, 1, 4) == newest and 1 or 0, release }
