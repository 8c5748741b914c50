-- Twin of settle.lua and note.lua. Writing the record is moves.sql's.

-- Fenced by the in-flight row: it is there exactly while the delivery runs.
-- name: note
INSERT INTO note (n, progress, checkpoint, log)
SELECT f.n, ?5, ?6, ?7
FROM job j CROSS JOIN inflight f ON f.n = j.n
WHERE j.tenant = ?1 AND j.id = ?2 AND f.worker = ?3 AND f.delivery = ?4
ON CONFLICT DO UPDATE SET
    progress = coalesce(excluded.progress, progress),
    checkpoint = coalesce(excluded.checkpoint, checkpoint),
    log = coalesce(excluded.log, log);
