-- Forgets jobs that have ended.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, ids
-- Returns a digit for each: 1 forgotten, 0 it had not ended, is of a flow, or there is
--   none.
local tenant, answer = ARGV[2], {}

local function delete(id)
  local head = head_of(tenant, id)
  local state = state_of(head)
  if not state then return forget_unreadable(tenant, id) end
  -- A flow's nodes go with it.
  if state < COMPLETED or terms_of(head).w then return false end
  -- A completed job's place in its long list stays; prune passes over it.
  call('ZREM', R .. tenant .. (state == COMPLETED and ':ttl' or ':ended:' .. state), id)
  forget(tenant, id, head)
  return true
end

for i = 3, #ARGV do answer[#answer + 1] = delete(ARGV[i]) and '1' or '0' end
flush_forgotten()
flush_counts()
return table.concat(answer)
