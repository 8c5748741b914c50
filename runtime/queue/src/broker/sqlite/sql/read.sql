-- Twin of job.lua, list.lua and counts.lua.

-- name: job
SELECT j.record, t.progress, t.log FROM job j LEFT JOIN note t ON t.n = j.n
WHERE j.tenant = ?1 AND j.id = ?2;

-- name: state
SELECT state FROM job WHERE tenant = ?1 AND id = ?2;

-- name: checkpoint
SELECT t.checkpoint FROM job j CROSS JOIN note t ON t.n = j.n
WHERE j.tenant = ?1 AND j.id = ?2;

-- The offset is walked on the index alone.
-- name: soonest
SELECT j.id, j.queue, j.record, t.progress, t.log FROM job j LEFT JOIN note t ON t.n = j.n
WHERE j.tenant = ?1 AND j.state = ?2 AND j.state < 5 AND j.state <> 3
ORDER BY j.at, j.n LIMIT ?3 OFFSET ?4;

-- name: newest
SELECT j.id, j.queue, j.record, t.progress, t.log FROM job j LEFT JOIN note t ON t.n = j.n
WHERE j.tenant = ?1 AND j.state = ?2 AND j.state >= 5
ORDER BY j.at DESC, j.n DESC LIMIT ?3 OFFSET ?4;

-- It costs what runs.
-- name: running
SELECT j.id, j.queue, j.record, t.progress, t.log
FROM inflight f CROSS JOIN job j ON j.n = f.n LEFT JOIN note t ON t.n = j.n
WHERE j.tenant = ?1 AND j.state = ?2 ORDER BY j.at, j.n LIMIT ?3 OFFSET ?4;

-- name: counts
SELECT queue, state, jobs FROM tally WHERE tenant = ?1 ORDER BY queue, state;

-- name: last_stamp
SELECT coalesce(max(stamp), 0) FROM staged;
