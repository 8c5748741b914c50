-- Shared by the scripts that go by a job's terms (job/terms.rs): expiry, keys and
-- blobs. Behind the prelude.
local LETTERS = 17 -- where the letter of a unique key's span stands

-- A record's terms, by their short names; none in version 1.
local NO_TERMS = {}
local function terms_of(record)
  if byte(record, 1) == 1 then return NO_TERMS end
  -- As route() walks, which makes a string of each field on its way.
  local at = HEADER + 1
  for _ = 1, 4 do at = at + 1 + (byte(record, at) or 0) end
  local n = byte(record, at) or 0
  return n > 0 and cmsgpack.unpack(sub(record, at + 1, at + n)) or {}
end

-- The bytes of an id or a digest that terms hold as text: Redis' Lua unpacks no bytes.
local function unhex(text)
  local digits = string.gsub(text, '-', '')
  return (string.gsub(digits, '%x%x', function(hex) return char(tonumber(hex, 16)) end))
end

-- By when a job must have begun; nil where it has all the time.
local function expiry_of(record, terms)
  return terms.e or (terms.x and number(record, 47, 6) + terms.x)
end

-- Who holds a unique key; nil where it is free. The key's word is checked against
-- the job it names.
local function holder(tenant, key)
  local value = call('GET', R .. tenant .. ':u:' .. key)
  if not value then return nil end
  local id, letter = sub(value, 1, 16), sub(value, LETTERS, LETTERS)
  local head = call('GETRANGE', job_key(tenant, id), 0, HEADER - 1)
  if newer(head) then return id end
  local state = state_of(head)
  if not state then return nil end
  if letter == 't' then return number(value, LETTERS + 1, 6) > now and id or nil end
  if state >= COMPLETED or (letter == 's' and state == RUNNING) then return nil end
  return id
end

-- Gives a job its unique key, for the span that its terms name.
local function hold(tenant, id, terms)
  local key = R .. tenant .. ':u:' .. terms.u
  if terms.m == 't' then
    call('SET', key, id .. 't' .. time6(now + terms.f), 'PX', math.max(1, terms.f))
  else
    call('SET', key, id .. terms.m)
  end
end

-- Frees a key that a job holds; another's stays.
local function let_go(tenant, id, kind, key)
  local at = R .. tenant .. kind .. key
  local value = call('GET', at)
  if value and sub(value, 1, 16) == id then call('DEL', at) end
end

local HOUR = 3600000
local function blob_of(tenant, digest)
  local meta = call('HGET', R .. tenant .. ':blobs', digest)
  if meta then return number(meta, 1, 4), number(meta, 5, 6), number(meta, 11, 6) end
end

local function set_blob(tenant, digest, references, size, grace)
  call('HSET', R .. tenant .. ':blobs', digest, struct.pack('<I4I6I6', references, size, grace))
  if references > 0 then
    call('ZREM', R .. tenant .. ':loose', digest)
  else
    call('ZADD', R .. tenant .. ':loose', grace, digest)
  end
end

-- A job refers to a blob; false where there is none.
local function refer(tenant, id, digest)
  local references, size, grace = blob_of(tenant, digest)
  if not references then return false end
  set_blob(tenant, digest, references + 1, size, grace)
  call('APPEND', R .. tenant .. ':r:' .. id, digest)
  return true
end

local function drop_blob(tenant, digest)
  local _, size = blob_of(tenant, digest)
  store(tenant, -(size or 0))
  call('UNLINK', R .. tenant .. ':x:' .. digest)
  call('HDEL', R .. tenant .. ':blobs', digest)
  call('ZREM', R .. tenant .. ':loose', digest)
end

-- Every blob that a job refers to.
local NO_BLOBS = {}
local function blobs_of(tenant, id, record)
  if byte(record, 53) < BLOBS then return NO_BLOBS end
  local digests, all = {}, call('GET', R .. tenant .. ':r:' .. id) or ''
  for at = 1, #all, 32 do digests[#digests + 1] = sub(all, at, at + 31) end
  return digests
end

-- What a job that has ended takes: its record, its blobs, and a cursor, in bytes.
local function weight(tenant, id, record, length)
  local flags = byte(record, 53)
  if bit.band(flags, NOTED) > 0 then length = length + call('HSTRLEN', note_key(tenant, id), 'c') end
  if flags < BLOBS then return length end
  for _, digest in ipairs(blobs_of(tenant, id, record)) do
    local _, size = blob_of(tenant, digest)
    length = length + (size or 0)
  end
  return length
end
