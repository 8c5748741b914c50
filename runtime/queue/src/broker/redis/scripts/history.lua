-- What became of tasks in some minutes.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, the first minute and that behind the last, as times; for how
--   many ms they are kept
-- Returns for each minute in which something happened: when it began, then a list of
--   queue .. '\0' .. task and numbers, in turns.
local tenant, MINUTE = ARGV[2], 60000
-- They expire by themselves, but by no clock that a test has set.
local from = math.max(tonumber(ARGV[3]), math.ceil((now - tonumber(ARGV[5])) / MINUTE) * MINUTE)
local answer = {}
for at = from, tonumber(ARGV[4]) - 1, MINUTE do
  local row = call('HGETALL', R .. tenant .. ':minute:' .. math.floor(at / MINUTE))
  if row[1] then
    answer[#answer + 1] = at
    answer[#answer + 1] = row
  end
end
return answer
