-- Some chunks of a module's or a blob's bytes.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, 'b' or 'x', digest, first chunk, how many
-- Returns the chunks.
local first = tonumber(ARGV[5])
return call('LRANGE', R .. ARGV[2] .. ':' .. ARGV[3] .. ':' .. ARGV[4], first, first + tonumber(ARGV[6]) - 1)
