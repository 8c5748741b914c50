-- Which of these jobs and flows have ended; for each of the others, a channel to be told
-- on. Reading and registering are one step, so no end falls between them.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, channel, ids
-- Returns the ids that are still to end.
local tenant, channel, open = ARGV[2], ARGV[3], {}
local DAY = 86400 -- a waiter that died must not be remembered for ever
-- Once a tenant that is being deleted is walked over, what is written would stay.
local mark = call('HGET', R .. '@leaving', tenant)
local last = mark and string.match(mark, ' %d+$') and 3 or #ARGV
for i = 4, last do
  local head = call('GETRANGE', job_key(tenant, ARGV[i]), 0, HEADER - 1)
  local state = state_of(head)
  if state and state < COMPLETED then
    local waiters = R .. tenant .. ':w:' .. ARGV[i]
    call('SADD', waiters, channel)
    call('EXPIRE', waiters, DAY)
    local flags = byte(head, 53)
    if flags % 2 == 0 then call('SETRANGE', job_key(tenant, ARGV[i]), 52, char(flags + WAITED)) end
    open[#open + 1] = ARGV[i]
  elseif not state then
    local digits = string.gsub(ARGV[i], '.', function(one) return string.format('%02x', byte(one)) end)
    local name = string.gsub(digits, '^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)', '%1-%2-%3-%4-')
    local flow = call('HGET', R .. tenant .. ':f:' .. name, 'state')
    if flow == 'r' or flow == 'b' then
      call('SADD', R .. tenant .. ':w:' .. ARGV[i], channel)
      call('EXPIRE', R .. tenant .. ':w:' .. ARGV[i], DAY)
      open[#open + 1] = ARGV[i]
    end
  end
end
return open
