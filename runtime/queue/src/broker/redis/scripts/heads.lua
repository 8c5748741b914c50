-- Shared by the scripts that look into lanes without taking anything, behind the prelude.

-- Some lanes of a queue with their states, in turns, as `T:q:Q:lanes` has them.
local function some_lanes(qk, most)
  local lanes, cursor = {}, '0'
  repeat
    local page = call('HSCAN', qk .. ':lanes', cursor, 'COUNT', most)
    cursor = page[1]
    for i = 1, #page[2] do
      if #lanes >= 2 * most then return lanes end
      lanes[#lanes + 1] = page[2][i]
    end
  until cursor == '0'
  return lanes
end

-- The next entry of a list, if it has one.
local function step_on(head)
  head.at = head.at + 1
  local entry = call('LINDEX', head.list, head.at)
  head.entry, head.since = entry, entry and number(entry, 1, 6)
end

local function heads_of(qk, lanes)
  local heads = {}
  for i = 1, #lanes, 2 do
    local mask = tonumber(lanes[i + 1]) % 1024
    for p = 0, 9 do
      if bit.band(mask, bit.lshift(1, p)) > 0 then
        local head = { list = qk .. ':l:' .. p .. ':' .. lanes[i], at = -1 }
        step_on(head)
        if head.entry then heads[#heads + 1] = head end
      end
    end
  end
  return heads
end

-- Whether an entry's job is available, or cannot be read: then a claim will see to it.
local function stands(tenant, entry)
  local head = call('GETRANGE', job_key(tenant, sub(entry, 7)), 0, HEADER - 1)
  local state = state_of(head)
  return (not state and head ~= '') or (state == AVAILABLE and sub(head, 27, 32) == sub(entry, 1, 6))
end

-- Since when the oldest available job of these lanes waits; nil where there is none.
-- Within a list the oldest is the first, but entries of what was cancelled may lie before
-- it: after so many looks it is said since when it waits at most.
local function oldest_of(tenant, qk, lanes, looks)
  local heads = heads_of(qk, lanes)
  while true do
    local first
    for _, head in ipairs(heads) do
      if head.entry and (not first or head.since < first.since) then first = head end
    end
    looks = looks - 1
    if not first then return nil end
    if looks < 0 or stands(tenant, first.entry) then return first.since end
    step_on(first)
  end
end
