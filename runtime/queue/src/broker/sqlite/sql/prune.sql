-- Twin of prune.lua.

-- What is finished, by tenant and state.
-- name: finished
SELECT tenant, state, sum(jobs) FROM tally WHERE state >= 5 GROUP BY tenant, state;

-- name: oldest
SELECT n, queue, at FROM job WHERE tenant = ?1 AND state = ?2 ORDER BY at, n LIMIT ?3;

-- name: forget
DELETE FROM job WHERE n = ?1;

-- name: tombstones
DELETE FROM tombstone WHERE at < ?1 AND NOT holds;

-- name: stagings
DELETE FROM staged WHERE at < ?1;

-- name: words
DELETE FROM word WHERE NOT EXISTS (
    SELECT 1 FROM staged s WHERE s.tenant = word.tenant AND s.digest = word.digest
);

-- Uploads that never became a module.
-- name: uploads
SELECT upload FROM upload u
WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM module m WHERE m.upload = u.upload);
