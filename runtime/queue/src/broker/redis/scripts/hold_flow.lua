-- Starts, cancels or retries a flow.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, flow, 'start', 'cancel' or 'retry'
-- Returns 1 where that was done; 0 where there is nothing to do, -1 where there is no
--   such flow, -2 where it is not whole.
local verb, does = ARGV[4], {}
local f = flow_of(ARGV[2], ARGV[3])

function does.start() return start_flow(f) end

function does.cancel()
  if f.state ~= 'r' and f.state ~= 'b' then return 0 end
  -- It is being cancelled: from the beginning again it might never come to its end.
  if f.stop == 'c' then return 1 end
  if f.state == 'b' then call('ZREM', R .. f.tenant .. ':flows:going', f.id) end
  f.state = 'r'
  call('HSET', f.key, 'state', 'r')
  turn(f, 'c')
  leave_work(f, 'c')
  return 1
end

function does.retry()
  if f.state ~= 'f' and f.state ~= 'x' then return 0 end
  local has = call('HMGET', f.key, 'added', 'nodes')
  if has[1] ~= has[2] then return 0 end
  f.stop = '' -- what it brings back is more than what was cancelled with it
  revive(f)
  -- Of one that was cancelled before it began.
  free_joint(f, 'start')
  leave_work(f, 'y')
  return 1
end

if f.state == 'g' then return -1 end
local answer = does[verb]()
flush_finished()
flush_lanes()
flush_counts()
return answer
