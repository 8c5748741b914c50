-- The moves that every operation is made of.

-- name: job
SELECT n, queue, state, record FROM job WHERE tenant = ?1 AND id = ?2;

-- name: job_by_number
SELECT tenant, id, queue, state, record FROM job WHERE n = ?1;

-- A write of the same size touches only the pages that differ, so overwriting
-- the header of a large record is cheap.
-- name: write
UPDATE job SET state = ?2, at = ?3, record = ?4 WHERE n = ?1;

-- Only equals compete by `seq`, so it is counted among them alone. It mostly is
-- the job's own number, by which cancel finds the entry again.
-- name: push_back
INSERT INTO available (tenant, queue, lane, step, at, seq, n)
SELECT ?1, ?2, ?3, ?4, ?5, max(coalesce(max(seq), 0) + 1, ?6), ?6
FROM available WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND at = ?5;

-- name: push_front
INSERT INTO available (tenant, queue, lane, step, at, seq, n)
SELECT ?1, ?2, ?3, ?4, ?5, coalesce(min(seq), 0) - 1, ?6
FROM available WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND at = ?5;

-- name: pull
DELETE FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND at = ?5 AND seq = ?6 AND n = ?7;

-- Where an entry lies whose number among its equals is another.
-- name: seq
SELECT seq FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND at = ?5 AND n = ?6 LIMIT 1;

-- name: join_lanes
INSERT INTO lane_ring (tenant, queue, lane, turn)
SELECT ?1, ?2, ?3, coalesce(max(turn), 0) + 1
FROM lane_ring INDEXED BY lane_turn WHERE tenant = ?1 AND queue = ?2 AND waits IS NULL
ON CONFLICT DO NOTHING;

-- name: join_tenants
INSERT INTO tenant_ring (queue, tenant, turn)
SELECT ?1, ?2, coalesce(max(turn), 0) + 1
FROM tenant_ring INDEXED BY tenant_turn WHERE queue = ?1 AND waits IS NULL
ON CONFLICT DO NOTHING;

-- name: delay
INSERT INTO delayed (due, n) VALUES (?1, ?2);

-- A delayed job's time is its own.
-- name: undelay
DELETE FROM delayed WHERE n = ?1 AND due = (SELECT at FROM job WHERE n = ?1);

-- What there is to do at a time: jobs that become available, jobs that expire,
-- and scopes that allow more.
-- name: first_due
SELECT
    (SELECT due FROM delayed ORDER BY due, n LIMIT 1),
    (SELECT at FROM expiry ORDER BY at LIMIT 1),
    (SELECT at FROM wake ORDER BY at LIMIT 1);

-- name: hold
INSERT INTO inflight (n, worker, number, pos, delivery) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: let_go
DELETE FROM inflight WHERE n = ?1;

-- name: drop_note
DELETE FROM note WHERE n = ?1;

-- What the next run writes begins anew.
-- name: drop_log
UPDATE note SET log = NULL WHERE n = ?1 AND log IS NOT NULL;

-- name: keep
INSERT INTO kept (tenant, bytes) VALUES (?1, max(0, ?2))
ON CONFLICT DO UPDATE SET bytes = max(0, bytes + ?2);

-- name: tally
INSERT INTO tally (tenant, queue, state, jobs) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs
RETURNING jobs;

-- name: tally_none
DELETE FROM tally WHERE tenant = ?1 AND queue = ?2 AND state = ?3;
