-- Adds jobs, all or none.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, then a batch (add.lua)
-- Returns {'ok', one letter a job, ids}: 'n' new, 'x' was there already, 'i' instead
--   of it there is the next of the ids. Or {'full', queue, waiting, depth},
--   {'duplicate', id}, {'missing', digest in hexadecimal}. Or what quota.lua refuses.
local answer = add(ARGV[2], 3, #ARGV)
if answer[1] == 'ok' then
  flush_finished()
  flush_lanes()
  flush_counts()
elseif answer[1] == 'quota' or answer[1] == 'suspended' or answer[1] == 'leaving' then
  return refuse(answer)
end
return answer
