-- Which of these jobs have ended; for each of the others, a channel to be told
-- on. Reading and registering are one step, so no end falls between them.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, channel, ids
-- Returns the ids that are still to end.
local tenant, channel, open = ARGV[2], ARGV[3], {}
local DAY = 86400 -- a waiter that died must not be remembered for ever
for i = 4, #ARGV do
  local head = call('GETRANGE', job_key(tenant, ARGV[i]), 0, HEADER - 1)
  local state = state_of(head)
  if state and state < COMPLETED then
    local waiters = R .. tenant .. ':w:' .. ARGV[i]
    call('SADD', waiters, channel)
    call('EXPIRE', waiters, DAY)
    local flags = byte(head, 53)
    if flags % 2 == 0 then call('SETRANGE', job_key(tenant, ARGV[i]), 52, char(flags + WAITED)) end
    open[#open + 1] = ARGV[i]
  end
end
return open
