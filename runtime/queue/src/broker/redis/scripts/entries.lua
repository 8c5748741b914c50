-- Entries of a shelf.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, shelf, one name or ''
-- Returns for each: its name, its bytes.
local shelf, one = R .. ARGV[2] .. ':shelf:' .. ARGV[3], ARGV[4]
if one == '' then return call('HGETALL', shelf) end
local bytes = call('HGET', shelf, one)
return bytes and { one, bytes } or {}
