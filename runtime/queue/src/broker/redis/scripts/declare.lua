-- Keeps schedules in the name of an owner, all or none.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, owner, '1' where they are all that the owner has, then the
--   schedules (timetable.lua)
-- Returns {'ok'}, or {'taken', name, its owner}.
return declare(ARGV[2], ARGV[3], 5, #ARGV, ARGV[4] == '1') or { 'ok' }
