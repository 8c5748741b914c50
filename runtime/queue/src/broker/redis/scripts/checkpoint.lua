-- The state that an earlier attempt saved.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, id
-- Returns the checkpoint, or nil.
return call('HGET', note_key(ARGV[2], ARGV[3]), 'c')
