-- Makes discarded and cancelled jobs available again.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, ids
-- Returns {a letter for each, ids}: 'r' requeued, 'm' there is none, 'u' the next of
--   the ids holds its unique key, or the digit of the state that it is in.
local letters, ids = {}, {}
for i = 3, #ARGV do letters[#letters + 1], ids[#ids + 1] = run_again(ARGV[2], ARGV[i]) end
flush_finished()
flush_lanes()
flush_counts()
return { table.concat(letters), table.concat(ids) }
