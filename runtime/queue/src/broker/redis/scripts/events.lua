-- Events behind a cursor.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, the id behind which to begin or '', how many at most
-- Returns {1 where some may have been missed or else 0, the id of the last of them, then
--   for each: its id, its bytes}.
local stream, after, limit = R .. ARGV[2] .. ':events', ARGV[3], ARGV[4]
local BEGINNING = '0-0'
local last, gone = BEGINNING, false
if call('EXISTS', stream) == 1 then
  local info, known = call('XINFO', 'STREAM', stream), {}
  for i = 1, #info, 2 do known[info[i]] = info[i + 1] end
  last, gone = known['last-generated-id'], known['entries-added'] > known['length']
end
if after == '' then return { 0, last } end

local missed = gone
if after ~= BEGINNING then missed = #call('XRANGE', stream, after, after) == 0 end
local answer = { missed and 1 or 0, missed and BEGINNING or after }
if limit == '0' then return answer end
for _, event in ipairs(call('XRANGE', stream, missed and '-' or '(' .. after, '+', 'COUNT', limit)) do
  answer[2] = event[1]
  answer[#answer + 1] = event[1]
  answer[#answer + 1] = event[2][2]
end
return answer
