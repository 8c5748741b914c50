-- Twin of set_keys.lua, unset_keys.lua, get_keys.lua, have_keys.lua, list_keys.lua,
-- increment.lua, swap_key.lua, buckets.lua and delete_bucket.lua.

-- name: find
SELECT bucket, keys FROM bucket WHERE tenant = ?1 AND name = ?2;

-- name: count
SELECT count(*) FROM bucket WHERE tenant = ?1;

-- name: all
SELECT name, keys, bytes FROM bucket WHERE tenant = ?1 ORDER BY name;

-- name: begin
INSERT INTO bucket (tenant, name, keys, bytes) VALUES (?1, ?2, 0, 0);

-- name: grow
UPDATE bucket SET keys = keys + ?2, bytes = bytes + ?3 WHERE bucket = ?1;

-- name: drop_empty
DELETE FROM bucket WHERE bucket = ?1 AND keys = 0;

-- Its length is known without its bytes being read.
-- name: size
SELECT length(value) FROM pair WHERE bucket = ?1 AND key = ?2;

-- name: value
SELECT value FROM pair WHERE bucket = ?1 AND key = ?2;

-- name: set
INSERT INTO pair (bucket, key, value) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET value = excluded.value;

-- name: unset
DELETE FROM pair WHERE bucket = ?1 AND key = ?2;

-- name: page
SELECT key FROM pair WHERE bucket = ?1 AND key > ?2 ORDER BY key LIMIT ?3;

-- name: sizes
SELECT key, length(value) FROM pair WHERE bucket = ?1 ORDER BY key LIMIT ?2;
