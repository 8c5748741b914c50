-- Shared by all scripts, in front of each. The twin of record.rs and the only
-- place where the name of a stored key is spelled.
--
-- Below the partition's root, `lovage:{p}` (a tenant's name begins with a letter
-- or digit, so it cannot meet a name that begins with `@`):
--   @leases              zset  worker -> end of its lease
--   @w:W:held            set   jobs in flight with worker W: id .. tenant
--   @w:W:claim           str   number and jobs of W's last claim
--   @w:W:dead            str   W was declared dead
--   @idle:Q              set   workers that found nothing in queue Q
--   @ring:Q              list  tenants with available jobs in queue Q
--   @due                 zset  tenant -> when its next delayed job is due
--   @tenants             set   all tenants
--   @staged              hash  digest .. tenant -> when it was staged
--   @staged:DIGEST+T     hash  worker -> 'ok' or why it cannot compile it
--   T:j:ID               str   the job's record
--   T:n:ID               hash  its note: p(rogress), c(heckpoint)
--   T:w:ID               set   channels of those who wait for its end
--   T:delayed            zset  id -> when it is due
--   T:f:S                list  ids that ended in state S, oldest first; behind
--                              the id of an unreadable job stands its queue
--   T:queues             set   names of the tenant's queues
--   T:q:Q:n              hash  state -> how many jobs
--   T:q:Q:ring           list  lanes with available jobs
--   T:q:Q:lanes          hash  lane -> entries * 1024 + bit per priority
--   T:q:Q:l:P:LANE       list  entries of priority P: available .. id
--   T:active             hash  module name -> release number .. digest
--   T:rel:NAME           hash  number -> digest .. time .. by; n -> the newest
--   T:m:DIGEST           str   manifest
--   T:b:DIGEST           list  chunks of the module's bytes
--   T:up:UPLOAD          list  chunks of an unfinished upload
local R = KEYS[1] .. ':'
local call, byte, char, sub = redis.call, string.byte, string.char, string.sub
local SCHEDULED, AVAILABLE, RUNNING, RETRYABLE = 1, 2, 3, 4
local COMPLETED, DISCARDED, CANCELLED = 5, 6, 7
local HEADER, VERSION, WAITED, NOTED = 56, 1, 1, 2
local AGING = 600000 -- one step of priority is worth ten minutes of waiting
local NOBODY = string.rep('\0', 8)
local BATCH = 1000 -- well below what unpack() bears

-- ARGV[1] of every script: the time, given by tests alone.
local now = tonumber(ARGV[1])
if not now then
  local t = call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end

local function time6(ms) return struct.pack('<I6', ms) end
local function number(bytes, at, size) return (struct.unpack('<I' .. size, bytes, at)) end
local function job_key(tenant, id) return R .. tenant .. ':j:' .. id end
local function note_key(tenant, id) return R .. tenant .. ':n:' .. id end
local function queue_key(tenant, queue) return R .. tenant .. ':q:' .. queue end
local function worker_key(worker, what) return R .. '@w:' .. worker .. ':' .. what end
local function readable(head) return #head >= HEADER and byte(head, 1) == VERSION and byte(head, 4) <= CANCELLED end

-- What a record says of its way: module, queue, lane, pin.
local function route(record)
  local at, out = HEADER + 1, {}
  for i = 1, 4 do
    local n = byte(record, at) or 0
    out[i] = sub(record, at + 1, at + n)
    at = at + n + 1
  end
  return out[1], out[2], out[3], out[4]
end

-- A record's header and route, without the rest of a large call.
local function head_of(tenant, id) return call('GETRANGE', job_key(tenant, id), 0, HEADER + 1027) end

-- A command over a list of any length, in calls that unpack() bears.
local function each_batch(command, key, list)
  for from = 1, #list, BATCH do
    call(command, key, unpack(list, from, math.min(from + BATCH - 1, #list)))
  end
end

-- Values gathered under keys during a script, to be written once a key.
local function gather(into, key, value)
  local list = into[key]
  if not list then list = {}; into[key] = list end
  list[#list + 1] = value
end

-- Counters: one write a (queue, state) and script, never one a job.
local tally = {}
local function count(tenant, queue, state, by)
  local key = queue_key(tenant, queue) .. ':n'
  local states = tally[key]
  if not states then states = {}; tally[key] = states end
  states[state] = (states[state] or 0) + by
end
local function flush_counts()
  for key, states in pairs(tally) do
    for state, by in pairs(states) do
      if by ~= 0 then call('HINCRBY', key, state, by) end
    end
  end
end
