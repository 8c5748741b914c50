-- What tasks used on some days.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, the first day and that behind the last, as times; for how
--   many ms they are kept
-- Returns for each day on which something ran: when it began, then a list of tasks and
--   numbers, in turns.
local tenant, DAY = ARGV[2], 86400000
-- They expire by themselves, but by no clock that a test has set.
local from = math.max(tonumber(ARGV[3]), math.ceil((now - tonumber(ARGV[5])) / DAY) * DAY)
local answer = {}
for at = from, tonumber(ARGV[4]) - 1, DAY do
  local row = call('HGETALL', R .. tenant .. ':day:' .. math.floor(at / DAY))
  if row[1] then
    answer[#answer + 1] = at
    answer[#answer + 1] = row
  end
end
return answer
