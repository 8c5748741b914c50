-- Twin of extend.lua, reclaim.lua and retire.lua.

-- name: find
SELECT number FROM lease WHERE worker = ?1;

-- name: is_dead
SELECT 1 FROM tombstone WHERE worker = ?1;

-- name: renew
INSERT INTO lease (worker, until, number) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET until = excluded.until, number = excluded.number;

-- Mostly it says what it said.
-- name: about
UPDATE lease SET about = ?2 WHERE worker = ?1 AND about <> ?2;

-- name: end
DELETE FROM lease WHERE worker = ?1;

-- name: run_out
SELECT worker FROM lease WHERE until <= ?1;

-- name: bury
INSERT INTO tombstone (worker, at, holds) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING;

-- name: holding
SELECT worker FROM tombstone WHERE holds;

-- name: emptied
UPDATE tombstone SET holds = 0 WHERE worker = ?1;

-- name: last_claimed
SELECT n FROM inflight WHERE worker = ?1 ORDER BY number DESC, pos DESC LIMIT ?2;

-- name: has_work
SELECT EXISTS (
    SELECT 1 FROM tenant_ring INDEXED BY tenant_turn WHERE queue = ?1 AND waits IS NULL
);

-- A word on a digest that is no longer staged is of no use to anybody.
-- name: word
INSERT INTO word (tenant, digest, worker, refusal)
SELECT tenant, digest, ?3, ?4 FROM staged WHERE tenant = ?1 AND digest = ?2
ON CONFLICT DO UPDATE SET refusal = excluded.refusal;

-- name: unsaid
SELECT tenant, digest FROM staged s
WHERE NOT EXISTS (
    SELECT 1 FROM word w WHERE w.tenant = s.tenant AND w.digest = s.digest AND w.worker = ?1
)
ORDER BY stamp;

-- Asked again means told again.
-- name: ask
INSERT INTO asked (n, worker) VALUES (?1, ?2) ON CONFLICT DO NOTHING;

-- name: answer
DELETE FROM asked WHERE n = ?1;

-- name: asked_of
SELECT j.tenant, j.id FROM asked a CROSS JOIN job j ON j.n = a.n WHERE a.worker = ?1 ORDER BY a.stamp;

-- name: asked_since
SELECT a.worker, j.tenant, j.id, a.stamp FROM asked a CROSS JOIN job j ON j.n = a.n
WHERE a.stamp > ?1 ORDER BY a.stamp;

-- name: last_asked
SELECT coalesce(max(stamp), 0) FROM asked;
