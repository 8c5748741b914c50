-- Twin of enqueue.lua. The rings and the lane are moves.sql's.

-- name: insert
INSERT INTO job (tenant, id, queue, state, at, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO NOTHING
RETURNING n;
