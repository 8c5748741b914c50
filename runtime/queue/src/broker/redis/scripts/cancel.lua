-- Cancels jobs, whatever their state.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, ids
-- Returns a letter for each: 'c' cancelled, 'a' its worker was asked to stop it,
--   'm' there is none, or the digit of the state in which it had ended.
local answer = {}
for i = 3, #ARGV do answer[#answer + 1] = cancel(ARGV[2], ARGV[i]) end
flush_finished()
flush_lanes()
flush_counts()
return table.concat(answer)
