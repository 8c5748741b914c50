-- Twin of promote.lua.

-- name: due
SELECT due, n FROM delayed WHERE due <= ?1 ORDER BY due, n LIMIT ?2;

-- name: undelay
DELETE FROM delayed WHERE due = ?1 AND n = ?2;
