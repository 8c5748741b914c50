-- Twin of put_blob.lua, and of what terms.lua does with blobs. A blob is counted by
-- the rows that refer to it, so no count can be wrong.

-- name: find
SELECT blob, upload FROM blob WHERE tenant = ?1 AND digest = ?2;

-- name: put
INSERT INTO blob (tenant, digest, upload, size, grace, loose) VALUES (?1, ?2, ?3, ?4, ?5, 1)
ON CONFLICT DO UPDATE SET upload = excluded.upload, grace = excluded.grace;

-- name: refer
INSERT INTO refer (n, blob) VALUES (?1, ?2) ON CONFLICT DO NOTHING;

-- name: hold
UPDATE blob SET loose = 0 WHERE blob = ?1 AND loose;

-- name: of_job
SELECT b.blob, b.size, b.grace, b.upload
FROM refer r CROSS JOIN blob b ON b.blob = r.blob WHERE r.n = ?1;

-- name: drop_refers
DELETE FROM refer WHERE n = ?1;

-- name: is_referred_to
SELECT EXISTS (SELECT 1 FROM refer WHERE blob = ?1);

-- name: loosen
UPDATE blob SET loose = 1 WHERE blob = ?1;

-- name: forget
DELETE FROM blob WHERE blob = ?1;

-- name: loose
SELECT blob, upload, size, tenant FROM blob WHERE loose AND grace <= ?1 ORDER BY grace LIMIT ?2;

-- One statement, hence one snapshot.
-- name: chunks
SELECT c.bytes FROM blob b LEFT JOIN chunk c ON c.upload = b.upload
WHERE b.tenant = ?1 AND b.digest = ?2 ORDER BY c.no;
