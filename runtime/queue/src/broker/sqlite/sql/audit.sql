-- Twin of record.lua and acts.lua.

-- name: record
INSERT INTO act (tenant, seq, at, bytes) VALUES (?1, ?2, ?3, ?4);

-- name: last
SELECT coalesce(max(seq), 0) FROM act WHERE tenant = ?1;

-- name: drop
DELETE FROM act WHERE tenant = ?1 AND seq <= ?2;

-- name: acts
SELECT seq, at, bytes FROM act WHERE tenant = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3;
