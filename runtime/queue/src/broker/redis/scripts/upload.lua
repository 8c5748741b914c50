-- Takes chunks of a module. Nobody sees them before `put` gives them their name.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, upload, chunks
-- Returns how many chunks the upload has.
local HOUR = 3600 -- an upload that stopped halfway goes by itself
local key = R .. ARGV[2] .. ':up:' .. ARGV[3]
local chunks = call('RPUSH', key, unpack(ARGV, 4))
call('EXPIRE', key, HOUR)
return chunks
