-- Twin of the scripts of flows.

-- name: begin
INSERT INTO flow (tenant, id, name, nodes, keep, state, begun)
VALUES (?1, ?2, ?3, ?4, ?5, 'b', ?6)
ON CONFLICT DO NOTHING;

-- name: keep_about
INSERT INTO flow_about (flow, about) VALUES (?1, ?2);

-- name: add_members
INSERT INTO joint (flow, joint, open) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET open = open + excluded.open;

-- name: add_node
INSERT INTO node (n, flow, place, waits) VALUES (?1, ?2, ?3, ?4);

-- name: add_edge
INSERT INTO edge (flow, joint, place) VALUES (?1, ?2, ?3);

-- How much of it is there.
-- name: extent
SELECT nodes, added FROM flow WHERE flow = ?1;

-- name: grown
UPDATE flow SET added = ?2 WHERE flow = ?1;

-- name: open
SELECT flow, state, stop, pending, live, done, failed, ended FROM flow
WHERE tenant = ?1 AND id = ?2;

-- name: name_of
SELECT tenant, id FROM flow WHERE flow = ?1;

-- What most steps change, which is in no index.
-- name: count
UPDATE flow SET pending = ?2, live = ?3, done = ?4, failed = ?5 WHERE flow = ?1;

-- name: turn
UPDATE flow SET state = ?2, stop = ?3, ended = ?4,
    leaves = CASE WHEN ?4 > 0 THEN ?4 + keep END
WHERE flow = ?1;

-- name: tally
INSERT INTO flow_tally (tenant, what, many) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET many = many + excluded.many;

-- name: tally_none
DELETE FROM flow_tally WHERE tenant = ?1 AND what = ?2 AND many <= 0;

-- name: tallies
SELECT tenant, what, many FROM flow_tally;

-- name: members
SELECT open FROM joint WHERE flow = ?1 AND joint = ?2;

-- name: count_down
UPDATE joint SET open = ?3 WHERE flow = ?1 AND joint = ?2;

-- name: edges
SELECT e.place, d.n, d.waits
FROM edge e CROSS JOIN node d ON d.flow = e.flow AND d.place = e.place
WHERE e.flow = ?1 AND e.joint = ?2 ORDER BY e.place LIMIT ?3;

-- name: cut
DELETE FROM edge WHERE flow = ?1 AND joint = ?2 AND place <= ?3;

-- name: one_less
UPDATE node SET waits = waits - 1 WHERE n = ?1;

-- The flow of a job whose record does not say it.
-- name: of_job
SELECT f.tenant, f.id FROM node d CROSS JOIN flow f ON f.flow = d.flow WHERE d.n = ?1;

-- name: is_node
SELECT EXISTS (SELECT 1 FROM node WHERE n = ?1);

-- name: nodes
SELECT d.place, d.n, j.state FROM node d CROSS JOIN job j ON j.n = d.n
WHERE d.flow = ?1 AND d.place >= ?2 ORDER BY d.place LIMIT ?3;

-- name: add_work
INSERT INTO flow_work (flow, kind, joint, place) VALUES (?1, ?2, ?3, 0);

-- name: next_work
SELECT seq, flow, kind, joint, place FROM flow_work ORDER BY seq LIMIT 1;

-- name: work_done
DELETE FROM flow_work WHERE seq = ?1;

-- It goes behind the others; the row before it goes.
-- name: work_on
INSERT INTO flow_work (flow, kind, joint, place) SELECT flow, kind, joint, ?2
FROM flow_work WHERE seq = ?1;

-- name: cancel_no_more
DELETE FROM flow_work WHERE flow = ?1 AND kind IN ('u', 'b', 'c');

-- name: flow
SELECT id, name, state, nodes, pending, done, failed, begun, ended, keep FROM flow
WHERE tenant = ?1 AND id = ?2 AND state <> 'g';

-- name: newest
SELECT id, name, state, nodes, pending, done, failed, begun, ended, keep
FROM flow INDEXED BY flow_of
WHERE tenant = ?1 AND state <> 'g' ORDER BY flow DESC LIMIT ?2 OFFSET ?3;

-- name: about
SELECT a.about FROM flow f CROSS JOIN flow_about a ON a.flow = f.flow
WHERE f.tenant = ?1 AND f.id = ?2 AND f.state <> 'g';

-- Of a record only the header is read.
-- name: page
SELECT j.id, j.state, substr(j.record, 1, 56)
FROM flow f CROSS JOIN node d ON d.flow = f.flow CROSS JOIN job j ON j.n = d.n
WHERE f.tenant = ?1 AND f.id = ?2 AND f.state <> 'g' AND d.place >= ?3
ORDER BY d.place LIMIT ?4;

-- Whether whoever waits for it must go on doing so.
-- name: goes_on
SELECT state IN ('b', 'r') FROM flow WHERE tenant = ?1 AND id = ?2;

-- Begun long ago, and never whole.
-- name: unfinished
SELECT flow, tenant, state FROM flow INDEXED BY flow_building
WHERE state = 'b' AND begun <= ?1 AND live = 0 ORDER BY begun LIMIT ?2;

-- name: leaving
SELECT flow, tenant, state FROM flow INDEXED BY flow_leaves
WHERE leaves IS NOT NULL AND leaves <= ?1 AND state <> 'g' ORDER BY leaves LIMIT ?2;

-- name: aged
SELECT flow, tenant, state FROM flow INDEXED BY flow_aged
WHERE tenant = ?1 AND state = ?2 AND ended > 0 AND ended <= ?3 AND keep IS NULL
ORDER BY ended LIMIT ?4;

-- name: oldest
SELECT flow, ended FROM flow INDEXED BY flow_ended
WHERE tenant = ?1 AND state = ?2 AND ended > 0 ORDER BY ended LIMIT ?3;

-- name: send_off
UPDATE flow SET state = 'g' WHERE flow = ?1;

-- name: going
SELECT flow, tenant FROM flow INDEXED BY flow_going WHERE state = 'g' LIMIT 1;

-- name: of_tenant
SELECT flow FROM flow WHERE tenant = ?1 LIMIT 1;

-- name: drop_work
DELETE FROM flow_work WHERE flow = ?1;

-- name: drop_nodes
DELETE FROM node WHERE flow = ?1 AND place <= ?2;

-- The last of so many, if there are more.
-- name: last_edge
SELECT joint, place FROM edge WHERE flow = ?1 ORDER BY joint, place LIMIT 1 OFFSET ?2;

-- name: drop_edges
DELETE FROM edge WHERE flow = ?1 AND (joint, place) <= (?2, ?3);

-- name: last_joint
SELECT joint FROM joint WHERE flow = ?1 ORDER BY joint LIMIT 1 OFFSET ?2;

-- name: drop_joints
DELETE FROM joint WHERE flow = ?1 AND joint <= ?2;

-- name: drop_about
DELETE FROM flow_about WHERE flow = ?1;

-- name: drop_flow
DELETE FROM flow WHERE flow = ?1;
