-- Some chunks of a module's bytes.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, digest, first chunk, how many
-- Returns the chunks.
local first = tonumber(ARGV[4])
return call('LRANGE', R .. ARGV[2] .. ':b:' .. ARGV[3], first, first + tonumber(ARGV[5]) - 1)
