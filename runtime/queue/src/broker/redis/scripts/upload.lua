-- Takes chunks of a module. Nobody sees them before `put` gives them their name.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, upload, the place of the first chunk, chunks
-- Returns how many chunks the upload has. Chunks that are there already, since an
-- answer was lost, are not taken twice.
local HOUR = 3600 -- an upload that stopped halfway goes by itself
local key = R .. ARGV[2] .. ':up:' .. ARGV[3]
if call('LLEN', key) == tonumber(ARGV[4]) then call('RPUSH', key, unpack(ARGV, 5)) end
call('EXPIRE', key, HOUR)
return call('LLEN', key)
