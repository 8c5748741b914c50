-- Twin of claim.lua; the walk over the rings is claim.rs and turn.rs. Every
-- statement is one descent of an index and at most as many rows as jobs are
-- wanted.

-- Named indexes: by the primary key it would walk past all who wait. Counts no further than ?2: past that the share is the least one anyhow, and
-- the cost must not grow with the ring.
-- name: tenants
SELECT count(*) FROM (
    SELECT 1 FROM tenant_ring INDEXED BY tenant_turn WHERE queue = ?1 AND waits IS NULL LIMIT ?2
);

-- name: next_lane
SELECT lane, baton FROM lane_ring INDEXED BY lane_turn
WHERE tenant = ?1 AND queue = ?2 AND waits IS NULL ORDER BY turn LIMIT 1;

-- name: lanes
SELECT count(*) FROM (
    SELECT 1 FROM lane_ring INDEXED BY lane_turn
    WHERE tenant = ?1 AND queue = ?2 AND waits IS NULL LIMIT ?3
);

-- The first of the next step that has any.
-- name: head
SELECT step, at FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step > ?4
ORDER BY step, at, seq LIMIT 1;

-- The first of all, and the last step that has any.
-- name: ends
SELECT step, at, (
    SELECT max(step) FROM available WHERE tenant = ?1 AND queue = ?2 AND lane = ?3
)
FROM available WHERE tenant = ?1 AND queue = ?2 AND lane = ?3
ORDER BY step, at, seq LIMIT 1;

-- name: jobs
SELECT a.at, a.seq, a.n, j.id, j.state, j.record
FROM available a LEFT JOIN job j ON j.n = a.n
WHERE a.tenant = ?1 AND a.queue = ?2 AND a.lane = ?3 AND a.step = ?4 AND a.at <= ?5
ORDER BY a.at, a.seq LIMIT ?6;

-- name: take
DELETE FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND (at, seq) <= (?5, ?6);

-- name: rotate_lane
UPDATE lane_ring
SET baton = NULL, turn = (
    SELECT max(turn) + 1 FROM lane_ring INDEXED BY lane_turn
    WHERE tenant = ?1 AND queue = ?2 AND waits IS NULL
)
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3;

-- name: leave_lanes
DELETE FROM lane_ring WHERE tenant = ?1 AND queue = ?2 AND lane = ?3;

-- name: leave_tenants
DELETE FROM tenant_ring WHERE queue = ?1 AND tenant = ?2;

-- It keeps its place among what is listed.
-- name: begin
UPDATE job SET state = 3, record = ?2 WHERE n = ?1;

-- What the last claim handed out and is still held.
-- name: again
SELECT j.tenant, j.id, j.queue, f.delivery, j.record, j.n, f.charged
FROM inflight f CROSS JOIN job j ON j.n = f.n
WHERE f.worker = ?1 AND f.number = ?2
ORDER BY f.pos;

-- name: active
SELECT digest, number FROM history WHERE tenant = ?1 AND name = ?2 AND active;

-- name: release
SELECT digest, number FROM history WHERE tenant = ?1 AND name = ?2 AND number = ?3;

-- name: digest
SELECT digest, 0 FROM module WHERE tenant = ?1 AND digest = ?2;

-- Another node of the flow that a job is of, if its record is short.
-- name: upstream
SELECT j.id, j.record
FROM node own CROSS JOIN node d ON d.flow = own.flow AND d.place = ?2
CROSS JOIN job j ON j.n = d.n
WHERE own.n = ?1 AND length(j.record) <= ?3;
