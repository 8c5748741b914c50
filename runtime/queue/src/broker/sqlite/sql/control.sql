-- Twin of limit.lua and put_limit.lua.

-- name: own
INSERT INTO rule (tenant, scope, own) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET own = excluded.own;

-- name: paused
INSERT INTO rule (tenant, scope, paused) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET paused = excluded.paused;

-- name: declare
INSERT INTO rule (tenant, scope, declared) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET declared = excluded.declared;

-- What a module says of its tasks: `task:M.` to `task:M/`.
-- name: declared
SELECT scope, declared FROM rule
WHERE tenant = ?1 AND scope > ?2 AND scope < ?3 AND declared IS NOT NULL;

-- Nothing is left to say.
-- name: tidy
DELETE FROM rule
WHERE tenant = ?1 AND scope = ?2 AND own IS NULL AND declared IS NULL AND NOT paused;

-- The pace begins anew, also that of each lane: `lane:Q/` to `lane:Q0`.
-- name: reset_pace
UPDATE held SET due = 0 WHERE tenant = ?1 AND scope = ?2;

-- name: cut_pace
UPDATE held SET due = min(due, ?3) WHERE tenant = ?1 AND scope = ?2;

-- name: reset_paces
UPDATE held SET due = 0 WHERE tenant = ?1 AND scope > ?2 AND scope < ?3;

-- name: running
SELECT j.n FROM inflight f CROSS JOIN job j ON j.n = f.n WHERE j.tenant = ?1;

-- name: busy
SELECT scope FROM held WHERE tenant = ?1 AND busy > 0;

-- name: reset_busy
UPDATE held SET busy = 0 WHERE tenant = ?1;

-- name: drop_idle
DELETE FROM held WHERE tenant = ?1 AND busy = 0 AND due = 0;

-- name: mark
UPDATE job SET record = ?2 WHERE n = ?1;

-- name: limits
SELECT r.scope, r.own, r.declared, r.paused, coalesce(h.busy, 0)
FROM rule r LEFT JOIN held h ON h.tenant = r.tenant AND h.scope = r.scope
WHERE r.tenant = ?1;

-- name: all_active
SELECT h.tenant, h.name, m.manifest
FROM history h JOIN module m ON m.tenant = h.tenant AND m.digest = h.digest
WHERE h.active;
