-- Acts of the audit log, the newest first.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, the id before which to begin or '', how many at most
-- Returns for each: its id, its time, its bytes.
local log, before, limit = R .. ARGV[2] .. ':audit', ARGV[3], ARGV[4]
local answer = {}
if limit == '0' then return answer end
local newest = before == '' and '+' or '(' .. before
for _, act in ipairs(call('XREVRANGE', log, newest, '-', 'COUNT', limit)) do
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = act[1], tonumber(act[2][2]), act[2][4]
end
return answer
