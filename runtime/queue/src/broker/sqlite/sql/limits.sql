-- Twin of limits.lua. What a scope allows, and what waits for it.

-- Which kinds of scopes the tenant has any words on: most have none at all.
-- name: kinds
SELECT
    EXISTS (SELECT 1 FROM rule WHERE tenant = ?1 AND scope = 'tenant'),
    EXISTS (SELECT 1 FROM rule WHERE tenant = ?1 AND scope > 'queue:' AND scope < 'queue<'),
    EXISTS (SELECT 1 FROM rule WHERE tenant = ?1 AND scope > 'lane:' AND scope < 'lanes<'),
    EXISTS (SELECT 1 FROM rule WHERE tenant = ?1 AND scope > 'task:' AND scope < 'task<'),
    EXISTS (SELECT 1 FROM rule WHERE tenant = ?1 AND scope > 'module:' AND scope < 'module<'),
    (SELECT word FROM tenant WHERE name = ?1);

-- name: rule
SELECT own, declared, paused FROM rule WHERE tenant = ?1 AND scope = ?2;

-- name: held
SELECT busy, due FROM held WHERE tenant = ?1 AND scope = ?2;

-- name: hold
INSERT INTO held (tenant, scope, busy, due) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET busy = excluded.busy, due = excluded.due;

-- name: drop_held
DELETE FROM held WHERE tenant = ?1 AND scope = ?2;

-- Those who have waited longest go on first, so whoever comes stands behind them…
-- name: park_lane
UPDATE lane_ring
SET waits = ?4, baton = NULL, turn = (
    SELECT coalesce(max(turn), 0) + 1 FROM lane_ring
    WHERE tenant = ?1 AND waits = ?4 AND queue = ?2
)
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3;

-- …but not who went on and came too late.
-- name: park_lane_first
UPDATE lane_ring
SET waits = ?4, baton = NULL, turn = (
    SELECT coalesce(min(turn), 0) - 1 FROM lane_ring
    WHERE tenant = ?1 AND waits = ?4 AND queue = ?2
)
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3;

-- name: park_tenant
UPDATE tenant_ring SET waits = ?3 WHERE queue = ?1 AND tenant = ?2;

-- What a lane waits for because of its first job: `module:` or `task:`.
-- name: waits_for_task
SELECT waits FROM lane_ring
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3 AND waits > 'module';

-- name: waiting_lanes
SELECT lane FROM lane_ring
WHERE tenant = ?1 AND waits = ?2 AND queue = ?3 ORDER BY turn LIMIT ?4;

-- name: next_queue
SELECT queue FROM lane_ring
WHERE tenant = ?1 AND waits = ?2 AND queue > ?3 ORDER BY queue LIMIT 1;

-- The next scope with lanes that wait, in a range of scopes.
-- name: next_scope
SELECT waits FROM lane_ring
WHERE tenant = ?1 AND waits > ?2 AND waits < ?3 ORDER BY waits LIMIT 1;

-- name: waiting_tenants
SELECT queue FROM tenant_ring
WHERE tenant = ?1 AND waits = ?2 ORDER BY queue LIMIT ?3;

-- name: unpark_lane
UPDATE lane_ring
SET waits = NULL, baton = ?4, turn = (
    SELECT coalesce(max(turn), 0) + 1 FROM lane_ring INDEXED BY lane_turn
    WHERE tenant = ?1 AND queue = ?2 AND waits IS NULL
)
WHERE tenant = ?1 AND queue = ?2 AND lane = ?3;

-- They go before the others of their ring: they have waited.
-- name: unpark_queue
UPDATE lane_ring SET waits = NULL, baton = waits
WHERE tenant = ?1 AND queue = ?2 AND waits > 'module';

-- name: unpark_tenant
UPDATE tenant_ring
SET waits = NULL, turn = max(turn, coalesce((
    SELECT at FROM clock WHERE queue = ?1 AND tenant = ''
), 0))
WHERE queue = ?1 AND tenant = ?2;

-- name: is_waited_for
SELECT EXISTS (SELECT 1 FROM lane_ring WHERE tenant = ?1 AND waits = ?2)
    OR EXISTS (SELECT 1 FROM tenant_ring WHERE tenant = ?1 AND waits = ?2);

-- name: wake
INSERT INTO wake (tenant, scope, at) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET at = excluded.at;
