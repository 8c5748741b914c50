-- Twin of fair.lua and spend.lua.

-- name: share
SELECT weight, cost FROM fair WHERE tenant = ?1;

-- name: weigh
INSERT INTO fair (tenant, weight) VALUES (?1, ?2)
ON CONFLICT DO UPDATE SET weight = excluded.weight;

-- name: learn
INSERT INTO fair (tenant, cost) VALUES (?1, ?2)
ON CONFLICT DO UPDATE SET cost = excluded.cost;

-- Past those who are passed over, who are no more than these.
-- name: next_tenants
SELECT tenant, turn FROM tenant_ring INDEXED BY tenant_turn
WHERE queue = ?1 AND waits IS NULL ORDER BY turn LIMIT ?2;

-- name: charge
UPDATE tenant_ring SET turn = ?3 WHERE queue = ?1 AND tenant = ?2;

-- name: place
SELECT turn FROM tenant_ring WHERE queue = ?1 AND tenant = ?2;

-- Whether somebody else may start something in the queue: two rows at most are read.
-- name: others
SELECT EXISTS (
    SELECT 1 FROM tenant_ring INDEXED BY tenant_turn
    WHERE queue = ?1 AND waits IS NULL AND tenant <> ?2
);

-- The queue's own time, of nobody, and a tenant's.
-- name: clock
SELECT at FROM clock WHERE queue = ?1 AND tenant = ?2;

-- name: tick
INSERT INTO clock (queue, tenant, at) VALUES (?1, '', ?2)
ON CONFLICT DO UPDATE SET at = max(at, excluded.at);

-- name: leave
INSERT INTO clock (queue, tenant, at) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET at = excluded.at;

-- name: come
DELETE FROM clock WHERE queue = ?1 AND tenant = ?2;

-- Where the queue's own time has passed them, it says all.
-- name: passed
DELETE FROM clock WHERE queue = ?1 AND at < ?2 AND tenant <> '';
