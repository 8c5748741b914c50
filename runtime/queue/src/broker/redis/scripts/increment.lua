-- Adds to the number that a key's value is.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, bucket, how many keys a bucket has at most, how many buckets a
--   tenant, key, by how much
-- Returns 'ok' and the sum in decimal digits; or 'number' where the value is none or the sum
--   would be none; or what set_keys.lua answers.
local tenant, bucket, key = ARGV[2], ARGV[3], ARGV[6]
local values = values_of(tenant, bucket)
local size, before = size_of(values, key), call('HGET', values, key)
local word = crowded(tenant, bucket, size and 0 or 1, tonumber(ARGV[4]), tonumber(ARGV[5]))
if word then return { word } end
-- Lua's own numbers are not exact that far, so Redis adds; and says by an error, before it has
-- changed anything, that it cannot.
if type(redis.pcall('HINCRBY', values, key, ARGV[7])) == 'table' then return { 'number' } end
local sum = call('HGET', values, key)
local grown = #key + #sum - (size or 0)
-- How long the sum is, is known now: what the quota refuses is taken back.
local said = too_much(tenant, grown)
if said then
  if before then call('HSET', values, key, before) else call('HDEL', values, key) end
  return refuse(said)
end
grow(tenant, bucket, size and {} or { key }, grown)
return { 'ok', sum }
