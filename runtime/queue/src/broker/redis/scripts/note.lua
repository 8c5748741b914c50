-- Keeps what running jobs say of themselves, fenced as settlements are.
-- KEYS[1] -> lovage:{p}
-- ARGV: now or '', worker, then for each note: tenant, id, delivery (4 bytes),
--   progress or '', checkpoint or '', all of the log so far or ''
-- Returns how many were kept.
local worker, kept = ARGV[2], 0
for i = 3, #ARGV, 6 do
  local tenant, id, delivery, progress, checkpoint, log = unpack(ARGV, i, i + 5)
  local key = job_key(tenant, id)
  local head = call('GETRANGE', key, 0, HEADER - 1)
  local current = state_of(head) == RUNNING and sub(head, 5, 8) == delivery
  if current and sub(head, 9, 16) == worker then
    if progress ~= '' then call('HSET', note_key(tenant, id), 'p', progress) end
    if checkpoint ~= '' then call('HSET', note_key(tenant, id), 'c', checkpoint) end
    if log ~= '' then call('HSET', note_key(tenant, id), 'l', log) end
    call('SETRANGE', key, 52, char(bit.bor(byte(head, 53), NOTED)))
    kept = kept + 1
  end
end
return kept
