-- Twin of enqueue.lua. The rings and the lane are moves.sql's.

-- name: insert
INSERT INTO job (tenant, id, queue, state, at, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO NOTHING;

-- Scheduled, available and retryable.
-- name: waiting
SELECT coalesce(sum(jobs), 0) FROM tally WHERE tenant = ?1 AND queue = ?2 AND state IN (1, 2, 4);
