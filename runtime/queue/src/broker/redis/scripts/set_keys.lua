-- Sets keys of a bucket, all or none.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, bucket, how many keys a bucket has at most, how many buckets a
--   tenant, then keys and values in turns
-- Returns 'ok', 'full' where the bucket would have too many keys, 'many' where the tenant
--   would have too many buckets; or what quota.lua refuses.
local tenant, bucket = ARGV[2], ARGV[3]
local values, last = values_of(tenant, bucket), {}
for i = 6, #ARGV, 2 do last[ARGV[i]] = ARGV[i + 1] end
local written, new, grown = {}, {}, 0
for key, value in pairs(last) do
  local size = size_of(values, key)
  if not size then new[#new + 1] = key end
  grown = grown + #key + #value - (size or 0)
  written[#written + 1], written[#written + 2] = key, value
end
local word = crowded(tenant, bucket, #new, tonumber(ARGV[4]), tonumber(ARGV[5]))
if word then return word end
local said = too_much(tenant, grown)
if said then return refuse(said) end
if not written[1] then return 'ok' end
each_batch('HSET', values, written)
grow(tenant, bucket, new, grown)
return 'ok'
