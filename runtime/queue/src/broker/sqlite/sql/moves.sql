-- The moves that every operation is made of.

-- name: job
SELECT n, queue, state, record FROM job WHERE tenant = ?1 AND id = ?2;

-- name: job_by_number
SELECT tenant, id, queue, state, record FROM job WHERE n = ?1;

-- A write of the same size touches only the pages that differ, so overwriting
-- the header of a large record is cheap.
-- name: write
UPDATE job SET state = ?2, at = ?3, record = ?4 WHERE n = ?1;

-- name: push
INSERT INTO available (tenant, queue, lane, step, at, seq, n) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);

-- name: last
SELECT max(seq) FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND at = ?5;

-- name: first
SELECT min(seq) FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND at = ?5;

-- name: pull
DELETE FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND at = ?5 AND seq = ?6 AND n = ?7;

-- Where an entry lies whose number among its equals is another.
-- name: seq
SELECT seq FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step = ?4 AND at = ?5 AND n = ?6 LIMIT 1;

-- name: has_lane
SELECT EXISTS (SELECT 1 FROM lane_ring WHERE tenant = ?1 AND queue = ?2 AND lane = ?3);

-- A value, not a source of rows: what is read of the table that is written would
-- be copied aside first.
-- name: join_lanes
INSERT INTO lane_ring (tenant, queue, lane, turn) VALUES (?1, ?2, ?3, 1 + coalesce((
    SELECT max(turn) FROM lane_ring INDEXED BY lane_turn
    WHERE tenant = ?1 AND queue = ?2 AND waits IS NULL
), 0))
ON CONFLICT DO NOTHING;

-- name: join_tenants
INSERT INTO tenant_ring (queue, tenant, turn) VALUES (?1, ?2, coalesce((
    SELECT max(at) FROM clock WHERE queue = ?1 AND tenant IN ('', ?2)
), 0))
ON CONFLICT DO NOTHING;

-- name: delay
INSERT INTO delayed (due, n) VALUES (?1, ?2);

-- A delayed job's time is its own.
-- name: undelay
DELETE FROM delayed WHERE n = ?1 AND due = (SELECT at FROM job WHERE n = ?1);

-- What there is to do at a time: jobs that become available, jobs that expire,
-- scopes that allow more, schedules, and at once what is left to do of flows.
-- name: first_due
SELECT
    (SELECT due FROM delayed ORDER BY due, n LIMIT 1),
    (SELECT at FROM expiry ORDER BY at LIMIT 1),
    (SELECT at FROM wake ORDER BY at LIMIT 1),
    (SELECT wake FROM schedule INDEXED BY schedule_wake WHERE wake IS NOT NULL ORDER BY wake LIMIT 1),
    (SELECT 0 FROM flow_work LIMIT 1);

-- name: hold
INSERT INTO inflight (n, worker, number, pos, delivery, charged)
VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: let_go
DELETE FROM inflight WHERE worker = ?1 AND n = ?2;

-- Notes are few: mostly there is none of any job.
-- name: any_note
SELECT EXISTS (SELECT 1 FROM note);

-- name: drop_note
DELETE FROM note WHERE n = ?1;

-- The same where its checkpoint does not stay; and what there is beside one that does.
-- name: drop_note_unless
DELETE FROM note WHERE n = ?1 AND stays IS NULL;

-- name: drop_word
UPDATE note SET progress = NULL, log = NULL WHERE n = ?1;

-- name: cursor_weight
SELECT length(checkpoint) FROM note WHERE n = ?1;

-- What the next run writes begins anew.
-- name: drop_log
UPDATE note SET log = NULL WHERE n = ?1 AND log IS NOT NULL;

-- name: keep
INSERT INTO kept (tenant, bytes, live, stored) VALUES (?1, max(0, ?2), max(0, ?3), max(0, ?4))
ON CONFLICT DO UPDATE SET bytes = max(0, bytes + ?2), live = max(0, live + ?3),
    stored = max(0, stored + ?4);

-- name: tally
INSERT INTO tally (tenant, queue, state, jobs) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs;

-- name: tally_none
DELETE FROM tally WHERE tenant = ?1 AND queue = ?2 AND state = ?3 AND jobs = 0;
