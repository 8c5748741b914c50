-- Adds nodes to a flow that is being built.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, flow, place of the first, then for each: id, version,
--   priority and crash limit as bytes, its record from the flags on, the joints that it
--   needs (4 bytes each)
-- Returns {'ok'}, {'none'} where no such flow is being built, {'gap', nodes there, nodes
--   in all}, {'missing', digest in hexadecimal}.
local tenant, first = ARGV[2], tonumber(ARGV[4])
local key = R .. tenant .. ':f:' .. ARGV[3]
local has = call('HMGET', key, 'state', 'added', 'nodes', 'joints', 'stop')
if has[1] ~= 'b' or has[5] ~= '' then return { 'none' } end
local added, nodes, joints = tonumber(has[2]), tonumber(has[3]), tonumber(has[4])
local coming = (#ARGV - 4) / 4
if first > added or first + coming > nodes then return { 'gap', added, nodes } end

local ids, out, left, waits, all_terms, written, queues = {}, {}, {}, {}, {}, {}, {}
for place = math.max(first, added), first + coming - 1 do
  local at = 5 + 4 * (place - first)
  local terms = terms_of('\2' .. string.rep('\0', 51) .. sub(ARGV[at + 2], 1, 1400))
  all_terms[at] = terms
  local digest = terms.b and string.gsub(terms.b, '%x%x', function(hex) return char(tonumber(hex, 16)) end)
  if digest and not blob_of(tenant, digest) then return { 'missing', terms.b } end
  terms.b = digest
end
local fresh, bytes = 0, 0
for place = math.max(first, added), first + coming - 1 do
  fresh, bytes = fresh + 1, bytes + 52 + #ARGV[7 + 4 * (place - first)]
end
local said = against(tenant, quota_of(tenant), fresh, bytes)
if said then return refuse(said) end
store(tenant, bytes)

local function seat(at, id, terms)
  if terms.j then
    left[terms.j] = (left[terms.j] or 0) + 1
    joints = math.max(joints, terms.j + 1)
  end
  local needs = ARGV[at + 3]
  for from = 1, #needs, 4 do
    local joint = number(needs, from, 4)
    gather(out, joint, id)
    joints = math.max(joints, joint + 1)
  end
  if #needs == 0 then gather(out, 'start', id) end
  if #needs > 4 and terms.p ~= 'h' then
    waits[#waits + 1] = id
    waits[#waits + 1] = #needs / 4
  end
end

for place = math.max(first, added), first + coming - 1 do
  local at = 5 + 4 * (place - first)
  local id, terms = ARGV[at], all_terms[at]
  -- Offsets as in record.rs: its time is zero until it is free.
  local record = ARGV[at + 1] .. string.rep('\0', 43) .. time6(now) .. ARGV[at + 2]
  local queue = queue_of(record)
  written[#written + 1] = job_key(tenant, id)
  written[#written + 1] = record
  ids[#ids + 1] = id
  seat(at, id, terms)
  if terms.b then refer(tenant, id, terms.b) end
  queues[queue] = true
  count(tenant, queue, 0, 1)
end
for from = 1, #written, 2 * CHUNK do
  call('MSET', unpack(written, from, math.min(from + 2 * CHUNK - 1, #written)))
end
each_batch('RPUSH', key .. ':ids', ids)
for joint, some in pairs(out) do each_batch('RPUSH', key .. ':out:' .. joint, some) end
for joint, members in pairs(left) do call('HINCRBY', key .. ':left', joint, members) end
each_batch('HSET', key .. ':waits', waits)
for queue in pairs(queues) do call('SADD', R .. tenant .. ':queues', queue) end
call('HSET', key, 'added', added + #ids, 'joints', joints)
if waits[1] then call('HSET', key, 'forks', 1) end
call('HINCRBY', key, 'pending', #ids)
flush_counts()
return { 'ok' }
