-- Deletes keys of a bucket.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, bucket, keys
-- Returns how many of them were there.
local tenant, bucket = ARGV[2], ARGV[3]
local values, gone, met, bytes = values_of(tenant, bucket), {}, {}, 0
for i = 4, #ARGV do
  local key = ARGV[i]
  local size = not met[key] and size_of(values, key)
  met[key] = true
  if size then gone[#gone + 1], bytes = key, bytes + size end
end
shrink(tenant, bucket, gone, bytes)
return #gone
