-- Keeps an entry of a shelf.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, shelf, name, bytes, how many entries a shelf has at most
-- Returns 1, or 0 where the shelf is full.
local shelf, name = R .. ARGV[2] .. ':shelf:' .. ARGV[3], ARGV[4]
if call('HLEN', shelf) >= tonumber(ARGV[6]) and call('HEXISTS', shelf, name) == 0 then return 0 end
call('SADD', R .. '@tenants', ARGV[2])
call('HSET', shelf, name, ARGV[5])
return 1
