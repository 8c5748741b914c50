-- Twin of put_tenant.lua, tenants.lua, taken.lua and delete_tenant.lua.

-- name: one
SELECT word FROM tenant WHERE name = ?1;

-- name: page
SELECT word FROM tenant WHERE name > ?1 ORDER BY name LIMIT ?2;

-- name: put
INSERT INTO tenant (name, word) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET word = excluded.word;

-- name: kept
SELECT live, stored FROM kept WHERE tenant = ?1;

-- name: names
SELECT count(*) FROM (SELECT 1 FROM history WHERE tenant = ?1 GROUP BY name);

-- name: usage
SELECT
    (SELECT coalesce(sum(jobs), 0) FROM tally WHERE tenant = ?1 AND state = 3),
    coalesce((SELECT live FROM kept WHERE tenant = ?1), 0),
    coalesce((SELECT stored FROM kept WHERE tenant = ?1), 0),
    (SELECT count(*) FROM (SELECT 1 FROM history WHERE tenant = ?1 GROUP BY name)),
    coalesce((SELECT due FROM held WHERE tenant = ?1 AND scope = 'fuel'), 0);

-- Whether there is anything of a tenant without a record.
-- name: is_known
SELECT EXISTS (SELECT 1 FROM kept WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM job WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM entry WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM module WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM blob WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM rule WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM schedule WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM flow WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM event WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM act WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM bucket WHERE tenant = ?1)
    OR EXISTS (SELECT 1 FROM minute WHERE tenant = ?1);

-- name: jobs
SELECT n, id, state, substr(record, 1, 56) FROM job WHERE tenant = ?1 LIMIT ?2;

-- What runs is not much, and what no row tells of is rare.
-- name: drop_inflight
DELETE FROM inflight WHERE n = ?1;

-- name: drop_delayed
DELETE FROM delayed WHERE n = ?1;

-- name: drop_node
DELETE FROM node WHERE n = ?1;

-- name: blobs
SELECT blob, upload, size FROM blob WHERE tenant = ?1 LIMIT ?2;

-- name: modules
SELECT rowid, upload FROM module WHERE tenant = ?1 LIMIT ?2;

-- name: drop_module
DELETE FROM module WHERE rowid = ?1;

-- Some of what names the tenant.
-- name: drop_available
DELETE FROM available WHERE (tenant, queue, lane, step, at, seq) IN (
    SELECT tenant, queue, lane, step, at, seq FROM available WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_lanes
DELETE FROM lane_ring WHERE (tenant, queue, lane) IN (
    SELECT tenant, queue, lane FROM lane_ring WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_keys
DELETE FROM keyed WHERE (tenant, kind, key) IN (
    SELECT tenant, kind, key FROM keyed WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_leaving
DELETE FROM leaving WHERE (n) IN (
    SELECT n FROM leaving WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_releases
DELETE FROM history WHERE (tenant, name, number) IN (
    SELECT tenant, name, number FROM history WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_staged
DELETE FROM staged WHERE (stamp) IN (
    SELECT stamp FROM staged WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_words
DELETE FROM word WHERE (tenant, digest, worker) IN (
    SELECT tenant, digest, worker FROM word WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_schedules
DELETE FROM schedule WHERE (tenant, name) IN (
    SELECT tenant, name FROM schedule WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_fires
DELETE FROM fire WHERE (seq) IN (
    SELECT seq FROM fire WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_needs
DELETE FROM need WHERE (tenant, task, name) IN (
    SELECT tenant, task, name FROM need WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_watched
DELETE FROM watched WHERE (tenant, task) IN (
    SELECT tenant, task FROM watched WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_sources
DELETE FROM source WHERE (tenant, id) IN (
    SELECT tenant, id FROM source WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_entries
DELETE FROM entry WHERE (rowid) IN (
    SELECT rowid FROM entry WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_minutes
DELETE FROM minute WHERE (tenant, at, queue, task) IN (
    SELECT tenant, at, queue, task FROM minute WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_events
DELETE FROM event WHERE (rowid) IN (
    SELECT rowid FROM event WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_used
DELETE FROM used WHERE (tenant, day, task) IN (
    SELECT tenant, day, task FROM used WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_acts
DELETE FROM act WHERE (rowid) IN (
    SELECT rowid FROM act WHERE tenant = ?1 LIMIT ?2
);

-- Keys go before the bucket that says whose they are.
-- name: drop_pairs
DELETE FROM pair WHERE rowid IN (
    SELECT p.rowid FROM bucket b CROSS JOIN pair p ON p.bucket = b.bucket
    WHERE b.tenant = ?1 LIMIT ?2
);

-- name: drop_buckets
DELETE FROM bucket WHERE bucket IN (
    SELECT bucket FROM bucket WHERE tenant = ?1 LIMIT ?2
);

-- name: drop_held
DELETE FROM held WHERE (tenant, scope) IN (
    SELECT tenant, scope FROM held WHERE tenant = ?1 LIMIT ?2
);

-- All of it. The ring is of queues first, and has no more than tenants with work.
-- name: drop_ring
DELETE FROM tenant_ring WHERE tenant = ?1;

-- name: drop_fair
DELETE FROM fair WHERE tenant = ?1;

-- name: drop_clock
DELETE FROM clock WHERE (queue, tenant) IN (SELECT queue, tenant FROM tally WHERE tenant = ?1);

-- name: drop_passed
DELETE FROM passed WHERE tenant = ?1;

-- name: drop_kept
DELETE FROM kept WHERE tenant = ?1;

-- name: drop_rules
DELETE FROM rule WHERE tenant = ?1;

-- name: drop_wakes
DELETE FROM wake WHERE tenant = ?1;

-- name: drop_tally
DELETE FROM tally WHERE tenant = ?1;

-- name: drop_flow_tally
DELETE FROM flow_tally WHERE tenant = ?1;

-- name: drop
DELETE FROM tenant WHERE name = ?1;
