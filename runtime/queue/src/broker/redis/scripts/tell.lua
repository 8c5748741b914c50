-- Adds tallies to the current minute and the current day, and appends events.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, how many pairs a minute and how many tasks a day tell apart, for
--   how many ms a minute is kept, for how many a day, how many events are, how many tallies,
--   then for each: queue .. '\0' .. task, its numbers and those of its usage, packed; then
--   the events
-- Returns how many events were appended.
local tenant, apart, minutes_kept, days_kept = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local events_kept, tallies = ARGV[6], tonumber(ARGV[7])
local MOST = 2 ^ 53 -- up to here each whole number is one of Lua's

-- Adds numbers to what is kept under a name; `greatest` says which of them is no sum.
local function add_numbers(key, name, others, packed, greatest)
  local numbers, before = cmsgpack.unpack(packed), call('HGET', key, name)
  if not before and call('HLEN', key) >= apart then
    name = others
    before = call('HGET', key, name)
  end
  -- An earlier Lovage kept fewer of them.
  for n, had in ipairs(before and cmsgpack.unpack(before) or {}) do
    numbers[n] = n == greatest and math.max(numbers[n], had) or math.min((numbers[n] or 0) + had, MOST)
  end
  call('HSET', key, name, cmsgpack.pack(numbers))
end

local minute = R .. tenant .. ':minute:' .. math.floor(now / 60000)
local day = R .. tenant .. ':day:' .. math.floor(now / 86400000)
for i = 8, 7 + 3 * tallies, 3 do
  add_numbers(minute, ARGV[i], '\0', ARGV[i + 1], 8)
  if ARGV[i + 2] ~= '' then add_numbers(day, string.match(ARGV[i], '%z(.*)$'), '', ARGV[i + 2]) end
end
if tallies > 0 then call('PEXPIRE', minute, minutes_kept) end
if call('EXISTS', day) == 1 then call('PEXPIRE', day, days_kept) end
for i = 8 + 3 * tallies, #ARGV do
  -- Where it is cheap to: a few more stay.
  call('XADD', R .. tenant .. ':events', 'MAXLEN', '~', events_kept, '*', 'b', ARGV[i])
end
return #ARGV - 7 - 3 * tallies
