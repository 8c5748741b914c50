-- Shared by all scripts, in front of each. The twin of record.rs and the only
-- place where the name of a stored key is spelled.
--
-- Below the partition's root, `lovage:{p}` (a tenant's name begins with a letter
-- or digit, so it cannot meet a name that begins with `@`):
--   @leases              zset  worker -> end of its lease
--   @w:W:held            set   jobs in flight with worker W: id .. tenant
--   @w:W:claim           str   number and jobs of W's last claim
--   @w:W:dead            str   W was declared dead
--   @w:W:cancel          set   ids among which are those of W's jobs that were asked to stop
--   @w:W:about           str   what W tells of its host
--   @idle:Q              set   workers that found nothing in queue Q
--   @spare:Q             set   those whose slots are taken, and that found nothing there of
--                              tenants that have less than their share of them
--   @turns:Q             zset  tenants with available jobs in queue Q -> their CPU time
--                              there by their weight, in us (fair.lua)
--   @clock:Q             zset  '' -> the queue's own such time; tenants that left the ring
--                              ahead of it -> theirs
--   @ring:Q              list  the same tenants, as an earlier Lovage kept them
--   @due                 zset  tenant -> when its next job is due or expires
--   @waits               zset  tenant .. '\0' .. scope -> when to look whether what
--                              waits there may go on
--   @fires               zset  tenant .. '\0' .. schedule -> when to look at it
--   @tenants             set   all tenants, but for those that are being deleted
--   @records             zset  tenants that have a record, all of score 0
--   @leaving             hash  tenant that is being deleted -> since when, and where its
--                              deletion stands (delete_tenant.lua)
--   @freeing             list  what flows have left to do (work.lua)
--   @staged              hash  digest .. tenant -> when it was staged
--   @staged:DIGEST+T     hash  worker -> 'ok' or why it cannot compile it
--   T:j:ID               str   the job's record
--   T:n:ID               hash  its note: p(rogress), c(heckpoint), l(og); s: the
--                              checkpoint is a source's cursor, and stays with the record
--   T:r:ID               str   digests of the blobs that it refers to
--   T:w:ID               set   channels of those who wait for its end, or a flow's
--   T:then:ID            set   schedules that hold fires until its end
--   T:open:ID            hash  a source, as people write its id: n, jobs of its pages that
--                              have not ended; low, at how many of them it goes on
--   T:delayed            zset  id -> when it is due
--   T:expiring           zset  id -> by when it must have begun
--   T:completed          list  ids of completed jobs, oldest first; ids of some
--                              that are forgotten may lie among them
--   T:ttl                zset  ids of completed jobs that say themselves how long
--                              they are kept -> when they go
--   T:ended:6, :7        zset  ids that were discarded, cancelled -> when
--   T:unreadable         hash  discarded ids whose record cannot be read -> queue
--   T:bytes              str   bytes of all that has ended, with its blobs
--   T:live               str   how many jobs have not ended
--   T:stored             str   bytes of calls that have not ended, of records that have,
--                              of blobs, of modules, and of buckets' keys and values
--   T:tenant             hash  its record: created, weight, suspended, quota (as JSON)
--   T:k:KEY              str   idempotency key -> id
--   T:u:KEY              str   unique key -> id .. letter of its span .. its end
--   T:queues             set   names of the tenant's queues
--   T:limits             hash  scope -> limits.lua; #tasks, #lanes, #queues -> how
--                              many of these kinds there are; #quota -> quota.lua
--   T:declared           hash  module -> its tasks that have limits of their own
--   T:busy               hash  scope -> how many of its jobs run
--   T:pace               hash  scope -> when its next start is due, in us; #fuel -> when
--                              what was burnt is paid off
--   T:wait:SCOPE         list  what waits for the scope to allow it: Q .. '\0' ..
--                              LANE, or Q for the tenant's place in that queue
--   T:q:Q:aside          hash  lane with a key that waits for a task's or a module's
--                              scope -> that scope; in T:wait:SCOPE it may be stale
--   T:q:Q:n              hash  state -> how many jobs
--   T:q:Q:ring           list  lanes with available jobs that may start
--   T:q:Q:lanes          hash  lane -> entries * 1024 + bit per priority
--   T:q:Q:l:P:LANE       list  entries of priority P: available .. id
--   T:schedules          zset  names of schedules, all of score 0
--   T:of:OWNER           set   names of those that an owner declared
--   T:s:NAME             hash  a schedule: spec, owner, revision, due, waiting, paused,
--                              last, held, overlap, needs, fired, missed
--   T:s:NAME:fires       list  its last fires, newest first (schedules.rs)
--   T:needed             hash  task -> how many schedules go by its completions
--   T:watched            hash  such a task -> when it completed last
--   T:watch:TASK         set   schedules that wait for it to complete
--   T:flows              zset  flows, as people write their ids -> when they were begun
--   T:flows:going        zset  flows -> when they go, if that is known
--   T:flows:ended:c, :f  zset  the others that ended, f(ailed) or not -> when
--   T:flows:leaving      list  flows that are being forgotten
--   T:f:FLOW             hash  a flow: name, nodes, state (flows.rs; g on its way out), stop
--                              ('', u stopped by a failure, c cancelled, b nothing runs
--                              any more), turns (how often that changed), swept, added,
--                              joints, forks (1 where a node waits for several), live,
--                              pending, done, failed, begun, ended, keep
--   T:f:FLOW:ids         list  its nodes, in the order of their places
--   T:f:FLOW:left        hash  joint -> how many of its nodes are still to complete
--   T:f:FLOW:out:JOINT   list  nodes that wait for a joint; `start` for none
--   T:f:FLOW:waits       hash  node that needs several joints -> how many still
--   T:f:FLOW:lost        set   its nodes that cannot be read, once that was seen
--   T:f:FLOW:about       str   what is kept of it for its clients
--   T:shelf:SHELF        hash  name -> an entry
--   T:buckets            hash  bucket -> bytes of its keys and values
--   T:kv:BUCKET          hash  key -> value
--   T:keys:BUCKET        zset  the same keys, all of score 0
--   T:minute:M           hash  queue .. '\0' .. task -> numbers of ledger.rs, packed; M is
--                              a time in minutes
--   T:day:D              hash  task -> numbers of its usage, packed; D is a time in days
--   T:fair               hash  weight; cost: what its jobs take of CPU time, in us
--   T:events             strm  b(ytes) of an event
--   T:audit              strm  t(ime), b(ytes) of an act
--   T:active             hash  module name -> release number .. digest
--   T:rel:NAME           hash  number -> digest .. time .. by; n -> the newest
--   T:names              set   names of modules
--   T:m:DIGEST           str   manifest
--   T:b:DIGEST           list  chunks of the module's bytes
--   T:up:UPLOAD          list  chunks of an unfinished upload
--   T:x:DIGEST           list  chunks of a blob
--   T:blobs              hash  digest -> references (4) .. size (6) .. grace (6)
--   T:loose              zset  digests without a reference -> end of their grace
local R = KEYS[1] .. ':'
local call, byte, char, sub = redis.call, string.byte, string.char, string.sub
local SCHEDULED, AVAILABLE, RUNNING, RETRYABLE = 1, 2, 3, 4
local COMPLETED, DISCARDED, CANCELLED = 5, 6, 7
local HEADER, VERSION = 56, 2
local WAITED, NOTED, CANCELLING, BLOBS = 1, 2, 64, 128
local COUNTED = { tenant = 4, queue = 8, lane = 16, task = 32 }
local ALL_COUNTED = 60
local AGING = 600000 -- one step of priority is worth ten minutes of waiting
local NOBODY = string.rep('\0', 8)
local BATCH = 1000 -- well below what unpack() bears
-- Records that are read or written in one call: enough to share its price, few
-- enough that large ones are not all in memory at once.
local CHUNK = 50

-- ARGV[1] of every script: the time, given by tests alone.
local now = tonumber(ARGV[1])
if not now then
  local t = call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end

-- What a string costs here is to make it: each is hashed over all of its bytes. So
-- per job as few and as short ones as can be, and no number is made into one.
local FORMATS = { '<I1', '<I2', '<I3', '<I4', '<I5', '<I6', '<I7', '<I8' }
local function time6(ms) return struct.pack('<I6', ms) end
local function number(bytes, at, size) return (struct.unpack(FORMATS[size], bytes, at)) end
local function job_key(tenant, id) return R .. tenant .. ':j:' .. id end
local function note_key(tenant, id) return R .. tenant .. ':n:' .. id end
local function worker_key(worker, what) return R .. '@w:' .. worker .. ':' .. what end
local queue_keys = {}
local function queue_key(tenant, queue)
  local keys = queue_keys[tenant]
  if not keys then keys = {}; queue_keys[tenant] = keys end
  local key = keys[queue]
  if not key then key = R .. tenant .. ':q:' .. queue; keys[queue] = key end
  return key
end
-- The state of a job by its record; false where that cannot be read.
local function state_of(head)
  if #head < HEADER then return false end
  local version, _, _, state = byte(head, 1, 4)
  return version >= 1 and version <= VERSION and state <= CANCELLED and state
end
-- A later Lovage wrote it, and will read it. What has no such version is corrupt.
local function newer(head) return #head >= HEADER and byte(head, 1) > VERSION and byte(head, 1) < 32 end

-- What a record says of its way: module, queue, lane, pin, terms, and where the
-- body begins.
local function route(record)
  local n, at, module, queue, lane, pin, terms = byte(record, HEADER + 1) or 0, HEADER + 1
  module, at = sub(record, at + 1, at + n), at + n + 1
  n = byte(record, at) or 0
  queue, at = sub(record, at + 1, at + n), at + n + 1
  n = byte(record, at) or 0
  lane, at = sub(record, at + 1, at + n), at + n + 1
  n = byte(record, at) or 0
  pin, at = sub(record, at + 1, at + n), at + n + 1
  if byte(record, 1) == 1 then return module, queue, lane, pin, '', at end
  n = byte(record, at) or 0
  terms, at = sub(record, at + 1, at + n), at + n + 1
  return module, queue, lane, pin, terms, at
end

-- A record's queue and lane: most steps need no more of it, and each field is a string to make.
local function queue_of(record)
  local at = HEADER + 2 + (byte(record, HEADER + 1) or 0)
  local n = byte(record, at) or 0
  local queue = sub(record, at + 1, at + n)
  at = at + 1 + n
  n = byte(record, at) or 0
  return queue, sub(record, at + 1, at + n)
end

-- The full name of a record's task: the first field of its body, `at` there.
local function task_of(module, record, at)
  local kind = byte(record, at + 1) or 0
  if kind == 217 then return module .. '.' .. sub(record, at + 3, at + 2 + (byte(record, at + 2) or 0)) end
  return module .. '.' .. sub(record, at + 2, at + 1 + kind % 32)
end

-- A record's header, route and task, without the rest of a large call.
local HEAD_END = tostring(HEADER + 1400)
local function head_of(tenant, id) return call('GETRANGE', job_key(tenant, id), '0', HEAD_END) end

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

-- Counters: one write a (queue, state) and script, never one a job. And those of a
-- tenant's quota: jobs that have not ended, and bytes.
local tally, live, stored = {}, {}, {}
local function store(tenant, bytes) stored[tenant] = (stored[tenant] or 0) + bytes end
local function count(tenant, queue, state, by)
  if state < COMPLETED then live[tenant] = (live[tenant] or 0) + by end
  local key = queue_key(tenant, queue)
  local states = tally[key]
  if not states then states = {}; tally[key] = states end
  states[state] = (states[state] or 0) + by
end
local function flush_counts()
  for tenant, by in pairs(live) do
    if by ~= 0 then call('INCRBY', R .. tenant .. ':live', by) end
    live[tenant] = nil
  end
  for tenant, bytes in pairs(stored) do
    if bytes ~= 0 then call('INCRBY', R .. tenant .. ':stored', bytes) end
    stored[tenant] = nil
  end
  for key, states in pairs(tally) do
    for state, by in pairs(states) do
      if by ~= 0 then call('HINCRBY', key .. ':n', state, by) end
    end
    tally[key] = nil
  end
end
