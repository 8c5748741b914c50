-- Sets a tenant's weight among the others.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, weight
-- Returns 1.
call('HSET', R .. ARGV[2] .. ':fair', 'weight', ARGV[3])
return 1
