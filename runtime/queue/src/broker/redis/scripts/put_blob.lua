-- Gives an upload its digest as a blob, or touches a blob that is there.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, upload or 0, digest, size in bytes
-- Returns 1, or 0 where there is neither such an upload nor the blob. A blob stays
-- for an hour from here on, and for as long as a job refers to it. Or what quota.lua
-- refuses: but not of a suspended tenant, whose running jobs have results.
local tenant, digest = ARGV[2], ARGV[4]
local upload, blob = R .. tenant .. ':up:' .. ARGV[3], R .. tenant .. ':x:' .. digest
local references, size = blob_of(tenant, digest)
if references then
  call('DEL', upload)
else
  -- Asked before the bytes are sent, too.
  local quota = quota_of(tenant)
  if quota then quota[9] = 0 end
  local said = against(tenant, quota, 0, tonumber(ARGV[5]))
  if said then return refuse(said) end
  if call('EXISTS', upload) == 0 then return 0 end
  call('PERSIST', upload)
  call('RENAME', upload, blob)
  references, size = 0, tonumber(ARGV[5])
  store(tenant, size)
end
call('SADD', R .. '@tenants', tenant)
set_blob(tenant, digest, references, size, now + HOUR)
flush_counts()
return 1
