-- Twin of put_entry.lua, remove_entry.lua, entries.lua, tell.lua, history.lua, usage.lua,
-- events.lua, workers.lua and lane_counts.lua.

-- name: put
INSERT INTO entry (tenant, shelf, name, bytes) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET bytes = excluded.bytes;

-- name: remove
DELETE FROM entry WHERE tenant = ?1 AND shelf = ?2 AND name = ?3;

-- name: entry
SELECT bytes FROM entry WHERE tenant = ?1 AND shelf = ?2 AND name = ?3;

-- name: entries
SELECT name, bytes FROM entry WHERE tenant = ?1 AND shelf = ?2 ORDER BY name;

-- name: on_shelf
SELECT count(*) FROM entry WHERE tenant = ?1 AND shelf = ?2;

-- name: series
SELECT count(*) FROM minute WHERE tenant = ?1 AND at = ?2;

-- name: has_series
SELECT EXISTS (SELECT 1 FROM minute WHERE tenant = ?1 AND at = ?2 AND queue = ?3 AND task = ?4);

-- The last number is what no sum grows past.
-- name: add
INSERT INTO minute (
    tenant, at, queue, task,
    completed, retried, discarded, cancelled, ran, waited, fuel, waited_most,
    attempts, cpu, memory_time
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
ON CONFLICT DO UPDATE SET
    completed = min(completed + excluded.completed, ?16),
    retried = min(retried + excluded.retried, ?16),
    discarded = min(discarded + excluded.discarded, ?16),
    cancelled = min(cancelled + excluded.cancelled, ?16),
    ran = min(ran + excluded.ran, ?16),
    waited = min(waited + excluded.waited, ?16),
    fuel = min(fuel + excluded.fuel, ?16),
    waited_most = max(waited_most, excluded.waited_most),
    attempts = min(attempts + excluded.attempts, ?16),
    cpu = min(cpu + excluded.cpu, ?16),
    memory_time = min(memory_time + excluded.memory_time, ?16);

-- name: tasks
SELECT count(*) FROM used WHERE tenant = ?1 AND day = ?2;

-- name: has_task
SELECT EXISTS (SELECT 1 FROM used WHERE tenant = ?1 AND day = ?2 AND task = ?3);

-- name: use
INSERT INTO used (tenant, day, task, attempts, cpu, memory_time, fuel, ran)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT DO UPDATE SET
    attempts = min(attempts + excluded.attempts, ?9),
    cpu = min(cpu + excluded.cpu, ?9),
    memory_time = min(memory_time + excluded.memory_time, ?9),
    fuel = min(fuel + excluded.fuel, ?9),
    ran = min(ran + excluded.ran, ?9);

-- name: usage
SELECT day, task, attempts, cpu, memory_time, fuel, ran
FROM used WHERE tenant = ?1 AND day >= ?2 AND day < ?3 ORDER BY day, task;

-- name: old_usage
SELECT tenant, day, task FROM used WHERE day < ?1 LIMIT ?2;

-- name: forget_usage
DELETE FROM used WHERE tenant = ?1 AND day = ?2 AND task = ?3;

-- name: history
SELECT at, queue, task,
    completed, retried, discarded, cancelled, ran, waited, fuel, waited_most,
    attempts, cpu, memory_time
FROM minute WHERE tenant = ?1 AND at >= ?2 AND at < ?3 ORDER BY at, queue, task;

-- name: old_minutes
SELECT tenant, at, queue, task FROM minute WHERE at < ?1 LIMIT ?2;

-- name: forget_minute
DELETE FROM minute WHERE tenant = ?1 AND at = ?2 AND queue = ?3 AND task = ?4;

-- name: append
INSERT INTO event (tenant, seq, bytes) VALUES (?1, ?2, ?3);

-- name: last_event
SELECT coalesce(max(seq), 0) FROM event WHERE tenant = ?1;

-- name: first_event
SELECT coalesce(min(seq), 0) FROM event WHERE tenant = ?1;

-- name: drop_events
DELETE FROM event WHERE tenant = ?1 AND seq <= ?2;

-- name: events
SELECT seq, bytes FROM event WHERE tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3;

-- name: workers
SELECT worker, until, about FROM lease WHERE until > ?1;

-- name: holds
SELECT j.tenant, j.id FROM inflight f CROSS JOIN job j ON j.n = f.n WHERE f.worker = ?1;

-- name: lanes
SELECT lane FROM lane_ring WHERE tenant = ?1 AND queue = ?2 ORDER BY lane LIMIT ?3;

-- name: in_lane
SELECT count(*) FROM available WHERE tenant = ?1 AND queue = ?2 AND lane = ?3;

-- The head of a lane's next step.
-- name: head
SELECT step, at FROM available
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND step > ?4 ORDER BY step, at LIMIT 1;
