-- Appends acts to the audit log.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, how many acts are kept, then the acts
-- Returns how many there are.
local log, kept = R .. ARGV[2] .. ':audit', ARGV[3]
call('SADD', R .. '@tenants', ARGV[2])
for i = 4, #ARGV do
  -- Trimmed where it is cheap to: a few more stay.
  call('XADD', log, 'MAXLEN', '~', kept, '*', 't', now, 'b', ARGV[i])
end
return call('XLEN', log)
