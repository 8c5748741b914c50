-- What a tenant has taken.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant
-- Returns {jobs that run, jobs that have not ended, bytes, names of modules, when what it
--   burnt is paid off in us or 0, now in ms}.
local tenant, running = ARGV[2], 0
for _, queue in ipairs(call('SMEMBERS', R .. tenant .. ':queues')) do
  running = running + tonumber(call('HGET', queue_key(tenant, queue) .. ':n', RUNNING) or 0)
end
local owed = call('HGET', R .. tenant .. ':pace', '#fuel') or '0'
return { running, used_of(tenant, ':live'), used_of(tenant, ':stored'), call('SCARD', R .. tenant .. ':names'),
  owed, now }
