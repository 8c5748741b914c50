-- Shared by the scripts that change a bucket, behind guard and quota. Its keys lie in a hash
-- with their values, and once more in a sorted set, by which they are listed: to walk the
-- hash would read the values too.
local function values_of(tenant, bucket) return R .. tenant .. ':kv:' .. bucket end
local function keys_of(tenant, bucket) return R .. tenant .. ':keys:' .. bucket end

-- What a key and its value take; nothing where there is no such key.
local function size_of(values, key)
  local size = call('HSTRLEN', values, key)
  return (size > 0 or call('HEXISTS', values, key) == 1) and #key + size
end

-- Whether so many keys more have a place, in a bucket of so many at most, of a tenant of so
-- many buckets at most: the word for what has none.
local function crowded(tenant, bucket, new, most, buckets)
  if new == 0 then return end
  local there = call('ZCARD', keys_of(tenant, bucket))
  if there == 0 and call('HLEN', R .. tenant .. ':buckets') >= buckets then return 'many' end
  if there + new > most then return 'full' end
end

-- What the quota has against so many bytes more. The jobs of a suspended tenant that run go on.
local function too_much(tenant, grown)
  local quota = grown > 0 and quota_of(tenant)
  if not quota then return end
  quota[9] = 0
  return against(tenant, quota, 0, grown)
end

-- Counts by how many bytes a bucket has grown, and that these keys are new in it.
local function grow(tenant, bucket, new, grown)
  call('SADD', R .. '@tenants', tenant)
  local scored = {}
  for i, key in ipairs(new) do scored[2 * i - 1], scored[2 * i] = 0, key end
  each_batch('ZADD', keys_of(tenant, bucket), scored)
  call('HINCRBY', R .. tenant .. ':buckets', bucket, grown)
  store(tenant, grown)
  flush_counts()
end

-- Takes keys away that are there, of so many bytes with their values.
local function shrink(tenant, bucket, gone, bytes)
  if not gone[1] then return end
  each_batch('HDEL', values_of(tenant, bucket), gone)
  each_batch('ZREM', keys_of(tenant, bucket), gone)
  call('HINCRBY', R .. tenant .. ':buckets', bucket, -bytes)
  if call('EXISTS', keys_of(tenant, bucket)) == 0 then call('HDEL', R .. tenant .. ':buckets', bucket) end
  store(tenant, -bytes)
  flush_counts()
end
