-- Twin of prune.lua.

-- What is finished, by tenant and state.
-- name: finished
SELECT tenant, state, sum(jobs) FROM tally WHERE state >= 5 GROUP BY tenant, state;

-- Those of a kind behind a place, oldest first; the last column says whether a job
-- leaves at a time of its own, or with its flow. Of the record only the header is read.
-- name: oldest
SELECT j.n, j.at,
    EXISTS (SELECT 1 FROM leaving l WHERE l.n = j.n) OR EXISTS (SELECT 1 FROM node d WHERE d.n = j.n)
FROM job j
WHERE j.tenant = ?1 AND j.state = ?2 AND j.state >= 5 AND (j.at, j.n) > (?3, ?4)
ORDER BY j.at, j.n LIMIT ?5;

-- name: leaving
SELECT n, at FROM leaving WHERE tenant = ?1 AND at <= ?2 ORDER BY at LIMIT ?3;

-- name: passed
SELECT at, n FROM passed WHERE tenant = ?1 AND state = ?2;

-- name: pass
INSERT INTO passed (tenant, state, at, n) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET at = excluded.at, n = excluded.n;

-- name: kept
SELECT bytes FROM kept WHERE tenant = ?1;

-- name: head
SELECT tenant, queue, state, length(record), substr(record, 1, 56) FROM job WHERE n = ?1;

-- name: head_of
SELECT n FROM job WHERE tenant = ?1 AND id = ?2;

-- name: forget
DELETE FROM job WHERE n = ?1;

-- What a scope holds that holds nothing, and whose next start is due.
-- name: idle
SELECT tenant, scope FROM held WHERE busy = 0 AND due <= ?1 LIMIT ?2;

-- name: tombstones
DELETE FROM tombstone WHERE at < ?1 AND NOT holds;

-- name: stagings
DELETE FROM staged WHERE at < ?1;

-- name: words
DELETE FROM word WHERE NOT EXISTS (
    SELECT 1 FROM staged s WHERE s.tenant = word.tenant AND s.digest = word.digest
);

-- Uploads that never became a module or a blob.
-- name: uploads
SELECT upload FROM upload u
WHERE at < ?1
    AND NOT EXISTS (SELECT 1 FROM module m WHERE m.upload = u.upload)
    AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.upload = u.upload);
