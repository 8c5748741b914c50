-- Deletes a bucket, some of its keys a call.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, bucket, how many keys at most, and how many bytes, about
-- Returns 'missing', 'more' or 'done'.
local tenant, bucket, most = ARGV[2], ARGV[3], tonumber(ARGV[5])
local values, gone, bytes = values_of(tenant, bucket), {}, 0
for _, key in ipairs(call('ZRANGE', keys_of(tenant, bucket), 0, ARGV[4] - 1)) do
  gone[#gone + 1], bytes = key, bytes + size_of(values, key)
  if bytes > most then break end
end
if not gone[1] then return 'missing' end
shrink(tenant, bucket, gone, bytes)
return call('EXISTS', values) == 1 and 'more' or 'done'
