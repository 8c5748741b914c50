-- The moves that every operation is made of.

-- name: job
SELECT n, queue, state, record FROM job WHERE tenant = ?1 AND id = ?2;

-- name: job_by_number
SELECT tenant, id, queue, state, record FROM job WHERE n = ?1;

-- A write of the same size touches only the pages that differ, so overwriting
-- the header of a large record is cheap.
-- name: write
UPDATE job SET state = ?2, at = ?3, record = ?4 WHERE n = ?1;

-- Only equals compete by `seq`, so it is counted among them alone.
-- name: push_back
INSERT INTO available (tenant, queue, lane, rank, seq, n)
SELECT ?1, ?2, ?3, ?4, coalesce(max(seq), 0) + 1, ?5
FROM available WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND rank = ?4;

-- name: push_front
INSERT INTO available (tenant, queue, lane, rank, seq, n)
SELECT ?1, ?2, ?3, ?4, coalesce(min(seq), 0) - 1, ?5
FROM available WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND rank = ?4;

-- name: join_lanes
INSERT INTO lane_ring (tenant, queue, lane, turn)
SELECT ?1, ?2, ?3, coalesce(max(turn), 0) + 1
FROM lane_ring WHERE tenant = ?1 AND queue = ?2
ON CONFLICT DO NOTHING;

-- name: join_tenants
INSERT INTO tenant_ring (queue, tenant, turn)
SELECT ?1, ?2, coalesce(max(turn), 0) + 1
FROM tenant_ring WHERE queue = ?1
ON CONFLICT DO NOTHING;

-- name: delay
INSERT INTO delayed (due, n) VALUES (?1, ?2);

-- name: first_due
SELECT due FROM delayed ORDER BY due, n LIMIT 1;

-- name: hold
INSERT INTO inflight (n, worker, number, pos, delivery) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: let_go
DELETE FROM inflight WHERE n = ?1;

-- name: drop_note
DELETE FROM note WHERE n = ?1;

-- name: tally
INSERT INTO tally (tenant, queue, state, jobs) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs
RETURNING jobs;

-- name: tally_none
DELETE FROM tally WHERE tenant = ?1 AND queue = ?2 AND state = ?3;
