-- Makes delayed jobs available whose time has come.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', limit
-- Returns {how many, ms until the next is due or -1}.
local limit, promoted = tonumber(ARGV[2]), 0
for _, tenant in ipairs(call('ZRANGEBYSCORE', R .. '@due', '-inf', now, 'LIMIT', 0, 100)) do
  local delayed = R .. tenant .. ':delayed'
  local ids = {}
  if promoted < limit then
    ids = call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, math.min(BATCH, limit - promoted))
  end
  for _, id in ipairs(ids) do
    local head = head_of(tenant, id)
    local state = readable(head) and byte(head, 4)
    if state == SCHEDULED or state == RETRYABLE then
      local _, queue, lane = route(head)
      call('SETRANGE', job_key(tenant, id), 3, char(AVAILABLE))
      -- Its place in the lane is the moment of promotion, so that lists stay in
      -- order of availability.
      call('SETRANGE', job_key(tenant, id), 26, time6(now))
      push(tenant, queue, lane, byte(head, 2), now, id)
      count(tenant, queue, state, -1)
      count(tenant, queue, AVAILABLE, 1)
      promoted = promoted + 1
    end
  end
  if #ids > 0 then call('ZREM', delayed, unpack(ids)) end
  local first = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
  if first then call('ZADD', R .. '@due', first, tenant) else call('ZREM', R .. '@due', tenant) end
end
flush_lanes()
flush_counts()
local next = call('ZRANGE', R .. '@due', 0, 0, 'WITHSCORES')[2]
return { promoted, next and math.max(0, tonumber(next) - now) or -1 }
