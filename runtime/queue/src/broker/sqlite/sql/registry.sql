-- Twin of the registry's scripts.

-- name: begin_upload
INSERT INTO upload (at) VALUES (?1) RETURNING upload;

-- name: chunk
INSERT INTO chunk (upload, no, bytes) VALUES (?1, ?2, ?3);

-- name: uploaded
SELECT upload FROM module WHERE tenant = ?1 AND digest = ?2;

-- name: module
INSERT INTO module (tenant, digest, upload, manifest) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET upload = excluded.upload, manifest = excluded.manifest;

-- name: drop_chunks
DELETE FROM chunk WHERE upload = ?1;

-- name: drop_upload
DELETE FROM upload WHERE upload = ?1;

-- One statement, hence one snapshot: a repeated upload cannot come between.
-- name: chunks
SELECT c.bytes FROM module m LEFT JOIN chunk c ON c.upload = m.upload
WHERE m.tenant = ?1 AND m.digest = ?2 ORDER BY c.no;

-- name: manifest
SELECT manifest FROM module WHERE tenant = ?1 AND digest = ?2;

-- name: newest
SELECT number, digest, at, author, active FROM history
WHERE tenant = ?1 AND name = ?2 ORDER BY number DESC LIMIT 1;

-- name: release
INSERT INTO history (tenant, name, number, digest, at, author, active)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0);

-- name: announce
INSERT INTO staged (tenant, digest, at) VALUES (?1, ?2, ?3);

-- name: unstage
DELETE FROM staged WHERE tenant = ?1 AND digest = ?2;

-- name: drop_words
DELETE FROM word WHERE tenant = ?1 AND digest = ?2;

-- name: digest
SELECT digest FROM history WHERE tenant = ?1 AND name = ?2 AND number = ?3;

-- name: deactivate
UPDATE history SET active = 0 WHERE tenant = ?1 AND name = ?2 AND active;

-- name: activate
UPDATE history SET active = 1 WHERE tenant = ?1 AND name = ?2 AND number = ?3;

-- name: trim
DELETE FROM history
WHERE tenant = ?1 AND name = ?2 AND NOT active AND number NOT IN (
    SELECT number FROM history WHERE tenant = ?1 AND name = ?2 ORDER BY number DESC LIMIT ?3
);

-- name: releases
SELECT number, digest, at, author, active FROM history
WHERE tenant = ?1 AND name = ?2 ORDER BY number DESC;

-- name: active
SELECT number, digest, at, author, active, name FROM history
WHERE tenant = ?1 AND active ORDER BY name;

-- name: live
SELECT count(*) FROM lease WHERE until > ?1;

-- name: words
SELECT w.refusal FROM word w CROSS JOIN lease l ON l.worker = w.worker
WHERE w.tenant = ?1 AND w.digest = ?2 AND l.until > ?3
ORDER BY w.worker;
