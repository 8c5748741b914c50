-- Twin of terms.lua: expiry and keys.

-- name: expire
INSERT INTO expiry (n, at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET at = excluded.at;

-- name: unexpire
DELETE FROM expiry WHERE n = ?1;

-- name: holder
SELECT k.span, k.until, j.id, j.state
FROM keyed k CROSS JOIN job j ON j.n = k.n
WHERE k.tenant = ?1 AND k.kind = ?2 AND k.key = ?3;

-- name: hold
INSERT INTO keyed (tenant, kind, key, n, span, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET n = excluded.n, span = excluded.span, until = excluded.until;

-- It has begun.
-- name: begun
DELETE FROM keyed WHERE n = ?1 AND span = 's';

-- name: let_go
DELETE FROM keyed WHERE n = ?1;

-- name: leave
INSERT INTO leaving (n, tenant, at) VALUES (?1, ?2, ?3);

-- name: left
DELETE FROM leaving WHERE n = ?1;
