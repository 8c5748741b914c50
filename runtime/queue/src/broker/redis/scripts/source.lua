-- Shared by the scripts that make and end jobs, behind the limits and the terms: how many
-- jobs of its pages a source has open. It is gathered, and written once a source and
-- script.
local sources, sources_in_order = {}, {}

-- A source by its id as people write it.
local function source_of(tenant, id)
  local key = R .. tenant .. ':open:' .. id
  local source = sources[key]
  if not source then
    source = { tenant = tenant, id = id, key = key, more = 0 }
    sources[key] = source
    sources_in_order[#sources_in_order + 1] = source
  end
  return source
end

local function count_open(tenant, id, more)
  local source = source_of(tenant, id)
  source.more = source.more + more
end

-- Few enough are left: it makes its next page, before all of its priority that came to its
-- lane since it was enqueued.
local function next_page(tenant, id)
  local head = head_of(tenant, id)
  if newer(head) then return delay(tenant, now, { id }) end
  -- It may have been requeued meanwhile, and wait for a time.
  local available = sub(head, 27, 32)
  if state_of(head) ~= SCHEDULED or available ~= sub(head, 47, 52) then return end
  call('ZREM', R .. tenant .. ':delayed', id)
  make_available(tenant, id, head, available, true)
end

local function flush_sources()
  for _, it in ipairs(sources_in_order) do
    local open = call('HINCRBY', it.key, 'n', it.more)
    local low = it.low or tonumber(call('HGET', it.key, 'low') or nil)
    if low and open <= low then
      call('HDEL', it.key, 'low')
      next_page(it.tenant, unhex(it.id))
    elseif it.low then
      call('HSET', it.key, 'low', low)
    end
    if open <= 0 then call('DEL', it.key) end
  end
end
