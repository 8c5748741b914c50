-- What is known of a module.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, digest
-- Returns the manifest, or nil.
return call('GET', R .. ARGV[2] .. ':m:' .. ARGV[3])
