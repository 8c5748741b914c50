-- Keys of a bucket, in the order of their bytes.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, bucket, the key behind which to begin or '', how many at most
local after = ARGV[4] == '' and '-' or '(' .. ARGV[4]
return call('ZRANGEBYLEX', R .. ARGV[2] .. ':keys:' .. ARGV[3], after, '+', 'LIMIT', 0, ARGV[5])
