-- Twin of promote.lua.

-- name: due
SELECT due, n FROM delayed WHERE due <= ?1 ORDER BY due, n LIMIT ?2;

-- name: undelay
DELETE FROM delayed WHERE due = ?1 AND n = ?2;

-- name: expired
SELECT n FROM expiry WHERE at <= ?1 ORDER BY at LIMIT ?2;

-- name: awake
SELECT tenant, scope FROM wake WHERE at <= ?1 ORDER BY at LIMIT ?2;

-- name: woken
DELETE FROM wake WHERE tenant = ?1 AND scope = ?2;
