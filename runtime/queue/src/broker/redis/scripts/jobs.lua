-- Jobs by id.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', tenant, ids
-- Returns for each: its record or '', its progress or ''.
local tenant, answer = ARGV[2], {}
for i = 3, #ARGV do
  local record = call('GET', job_key(tenant, ARGV[i])) or ''
  answer[#answer + 1] = record
  local noted = #record >= HEADER and byte(record, 53) >= NOTED
  answer[#answer + 1] = noted and call('HGET', note_key(tenant, ARGV[i]), 'p') or ''
end
return answer
