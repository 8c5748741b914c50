-- Twin of source.lua.

-- name: keep_cursor
INSERT INTO note (n, checkpoint, stays) VALUES (?1, ?2, 1)
ON CONFLICT DO UPDATE SET checkpoint = excluded.checkpoint, stays = 1;

-- name: wait
INSERT INTO source (tenant, id, open, low) VALUES (?1, ?2, 0, ?3)
ON CONFLICT DO UPDATE SET low = excluded.low;

-- name: count
INSERT INTO source (tenant, id, open) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET open = open + excluded.open;

-- name: open
SELECT open, low FROM source WHERE tenant = ?1 AND id = ?2;

-- name: go_on
UPDATE source SET low = NULL WHERE tenant = ?1 AND id = ?2;

-- name: none
DELETE FROM source WHERE tenant = ?1 AND id = ?2;
