-- Shared by the scripts that change something of a tenant, before all others: of one that
-- is being deleted nothing changes any more.
if call('HEXISTS', R .. '@leaving', ARGV[2]) == 1 then return redis.error_reply('LEAVING it is being deleted') end
