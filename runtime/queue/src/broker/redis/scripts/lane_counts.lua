-- Lanes of a queue that have available jobs.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, queue, how many at most
-- Returns for each: its key, how many entries it has, since when the oldest waits.
local tenant, qk, LOOKS = ARGV[2], queue_key(ARGV[2], ARGV[3]), 10
local answer, lanes = {}, some_lanes(qk, tonumber(ARGV[4]))
for i = 1, #lanes, 2 do
  local oldest = oldest_of(tenant, qk, { lanes[i], lanes[i + 1] }, LOOKS)
  if oldest then
    answer[#answer + 1] = lanes[i]
    answer[#answer + 1] = math.floor(tonumber(lanes[i + 1]) / 1024)
    answer[#answer + 1] = oldest
  end
end
return answer
