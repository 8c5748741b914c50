-- Shared by the scripts that end jobs, behind the prelude.
local finished = {}

-- What a job's end brings with it: its place on the finish list, its note gone,
-- its waiters told. `head` is the header from before.
local function finish(tenant, id, state, head)
  gather(finished, R .. tenant .. ':f:' .. state, id)
  local flags = byte(head, 53)
  if flags >= NOTED then call('UNLINK', note_key(tenant, id)) end
  if flags % 2 == WAITED then
    local waiters = R .. tenant .. ':w:' .. id
    for _, channel in ipairs(call('SMEMBERS', waiters)) do call('PUBLISH', channel, id) end
    call('DEL', waiters)
  end
end

local function flush_finished()
  for key, ids in pairs(finished) do each_batch('RPUSH', key, ids) end
end
