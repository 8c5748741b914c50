-- Sets a key if its value is the one that is expected.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, bucket, how many keys a bucket has at most, how many buckets a
--   tenant, key, value, the expected value, 1 or 0 where there should be no such key
-- Returns 'ok'; or 'not' and the value that is there, if there is one; or what set_keys.lua
--   answers.
local tenant, bucket, key, value = ARGV[2], ARGV[3], ARGV[6], ARGV[7]
local values = values_of(tenant, bucket)
local there = call('HGET', values, key)
if there ~= (ARGV[9] == '1' and ARGV[8]) then return there and { 'not', there } or { 'not' } end
local word = crowded(tenant, bucket, there and 0 or 1, tonumber(ARGV[4]), tonumber(ARGV[5]))
if word then return { word } end
local grown = #value - (there and #there or -#key)
local said = too_much(tenant, grown)
if said then return refuse(said) end
call('HSET', values, key, value)
grow(tenant, bucket, there and {} or { key }, grown)
return { 'ok' }
