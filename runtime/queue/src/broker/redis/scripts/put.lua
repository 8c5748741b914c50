-- Gives an upload its digest and its manifest, in one step.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, upload or '' to ask what would be refused, digest, size in
--   bytes, manifest
-- Returns 1, or 0 where there is neither such an upload nor the module, which an
-- earlier try has put there. Or what quota.lua refuses.
local tenant, digest = ARGV[2], ARGV[4]
local size, is_known = tonumber(ARGV[5]), call('EXISTS', R .. tenant .. ':m:' .. digest) == 1
local quota = quota_of(tenant)
if quota and quota[7] > 0 and size >= quota[7] then return refuse({ 'quota', 'module-size', quota[7] - 1, size }) end
local said = against(tenant, quota, 0, is_known and 0 or size)
if said then return refuse(said) end
if ARGV[3] == '' then return 1 end
local upload = R .. tenant .. ':up:' .. ARGV[3]
if call('EXISTS', upload) == 0 then return is_known and 1 or 0 end
call('PERSIST', upload)
call('RENAME', upload, R .. tenant .. ':b:' .. digest)
call('SET', R .. tenant .. ':m:' .. digest, ARGV[6])
call('SADD', R .. '@tenants', tenant)
if not is_known then store(tenant, size) end
flush_counts()
return 1
