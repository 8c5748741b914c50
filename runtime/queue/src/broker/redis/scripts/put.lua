-- Gives an upload its digest and its manifest, in one step.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, upload, digest, manifest
-- Returns 1, or 0 where there is neither such an upload nor the module, which an
-- earlier try has put there.
local tenant, digest = ARGV[2], ARGV[4]
local upload = R .. tenant .. ':up:' .. ARGV[3]
if call('EXISTS', upload) == 0 then return call('EXISTS', R .. tenant .. ':m:' .. digest) end
call('PERSIST', upload)
call('RENAME', upload, R .. tenant .. ':b:' .. digest)
call('SET', R .. tenant .. ':m:' .. digest, ARGV[5])
return 1
