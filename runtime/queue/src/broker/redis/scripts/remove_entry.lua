-- Takes an entry from its shelf.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, shelf, name
-- Returns 1, or 0 where there was none.
return call('HDEL', R .. ARGV[2] .. ':shelf:' .. ARGV[3], ARGV[4])
