-- Jobs by id.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, ids
-- Returns for each: its record or '', its progress or '', its log so far or ''.
local tenant, answer = ARGV[2], {}
for i = 3, #ARGV do
  local record = call('GET', job_key(tenant, ARGV[i])) or ''
  answer[#answer + 1] = record
  local noted = state_of(record) and bit.band(byte(record, 53), NOTED) > 0
  local note = noted and call('HMGET', note_key(tenant, ARGV[i]), 'p', 'l') or {}
  answer[#answer + 1] = note[1] or ''
  answer[#answer + 1] = note[2] or ''
end
return answer
