-- The time.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or ''
-- Returns {now}.
return { now }
