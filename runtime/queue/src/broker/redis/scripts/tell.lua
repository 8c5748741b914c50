-- Adds tallies to the current minute, and appends events.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, how many pairs a minute tells apart, for how many ms it is
--   kept, how many events are, how many tallies, then for each: queue .. '\0' .. task, its
--   numbers, packed; then the events
-- Returns how many events were appended.
local tenant, pairs_apart, kept = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local events_kept, tallies = ARGV[5], tonumber(ARGV[6])
local OTHERS, MOST = '\0', 2 ^ 53 -- up to here each whole number is one of Lua's

local minute = R .. tenant .. ':minute:' .. math.floor(now / 60000)
for i = 7, 6 + 2 * tallies, 2 do
  local pair, numbers = ARGV[i], cmsgpack.unpack(ARGV[i + 1])
  local before = call('HGET', minute, pair)
  if not before and call('HLEN', minute) >= pairs_apart then
    pair = OTHERS
    before = call('HGET', minute, pair)
  end
  if before then
    before = cmsgpack.unpack(before)
    -- The last of them is no sum.
    for n = 1, #numbers - 1 do numbers[n] = math.min(numbers[n] + (before[n] or 0), MOST) end
    numbers[#numbers] = math.max(numbers[#numbers], before[#numbers] or 0)
  end
  call('HSET', minute, pair, cmsgpack.pack(numbers))
end
if tallies > 0 then call('PEXPIRE', minute, kept) end
for i = 7 + 2 * tallies, #ARGV do
  -- Where it is cheap to: a few more stay.
  call('XADD', R .. tenant .. ':events', 'MAXLEN', '~', events_kept, '*', 'b', ARGV[i])
end
return #ARGV - 6 - 2 * tallies
