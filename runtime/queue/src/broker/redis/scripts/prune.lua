-- Lets finished jobs go, the oldest first, and stagings that nobody ended.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', ms that completed and cancelled jobs are kept, ms that
--   discarded ones are, how many of a kind, limit in all
-- Returns how many went. It looks at some tenants a call, drawn at random: so no
-- call grows with their number, and over time each has its turn.
local keep = { [COMPLETED] = tonumber(ARGV[2]), [CANCELLED] = tonumber(ARGV[2]), [DISCARDED] = tonumber(ARGV[3]) }
local most, limit, gone = tonumber(ARGV[4]), tonumber(ARGV[5]), 0
local DAY = 86400000
for _, tenant in ipairs(call('SRANDMEMBER', R .. '@tenants', 100)) do
  for state, span in pairs(keep) do
    local list = R .. tenant .. ':f:' .. state
    local over, passed = call('LLEN', list) - most, 0
    for i = 1, limit - gone do
      local entry = call('LINDEX', list, i - 1)
      if not entry then break end
      local id, queue = sub(entry, 1, 16), sub(entry, 17)
      local head = head_of(tenant, id)
      local old = not readable(head) or number(head, 33, 6) + span <= now
      if i > over and not old then break end
      passed = i
      local ended_so = readable(head) and byte(head, 4) == state
      if ended_so then queue = select(2, route(head)) end
      if ended_so or queue ~= '' then
        call('UNLINK', job_key(tenant, id), note_key(tenant, id))
        count(tenant, queue, state, -1)
        gone = gone + 1
      end
    end
    if passed > 0 then call('LPOP', list, passed) end
  end
end
local staged = call('HGETALL', R .. '@staged')
for i = 1, #staged, 2 do
  if tonumber(staged[i + 1]) + DAY <= now then
    call('HDEL', R .. '@staged', staged[i])
    call('DEL', R .. '@staged:' .. staged[i])
  end
end
flush_counts()
return gone
