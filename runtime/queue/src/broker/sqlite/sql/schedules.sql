-- Twin of the scripts of schedules.

-- name: one
SELECT spec, owner, revision, due, waiting, paused, last, held, fired, missed
FROM schedule WHERE tenant = ?1 AND name = ?2;

-- name: page
SELECT spec, owner, revision, due, waiting, paused, last, held, fired, missed
FROM schedule WHERE tenant = ?1 AND name > ?2 ORDER BY name LIMIT ?3;

-- name: of_owner
SELECT name FROM schedule WHERE tenant = ?1 AND owner = ?2;

-- What is held may go on by now: its word may have come before this one.
-- name: keep
INSERT INTO schedule (tenant, name, owner, spec, revision, due, wake)
VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)
ON CONFLICT DO UPDATE SET
    spec = excluded.spec, revision = revision + 1, due = excluded.due, waiting = NULL,
    wake = CASE WHEN paused THEN NULL WHEN held = x'' THEN excluded.wake ELSE ?6 END;

-- name: pause
UPDATE schedule SET paused = 1, revision = revision + 1, wake = NULL
WHERE tenant = ?1 AND name = ?2;

-- What it held may go on at once.
-- name: resume
UPDATE schedule SET paused = 0, revision = revision + 1, due = ?3, waiting = NULL,
    wake = CASE WHEN held = x'' THEN ?3 ELSE ?4 END
WHERE tenant = ?1 AND name = ?2 AND paused;

-- name: remove
DELETE FROM schedule WHERE tenant = ?1 AND name = ?2;

-- name: look
SELECT tenant, name FROM schedule INDEXED BY schedule_wake
WHERE wake IS NOT NULL AND wake <= ?1 ORDER BY wake LIMIT ?2;

-- name: wake
UPDATE schedule SET wake = ?3 WHERE tenant = ?1 AND name = ?2 AND NOT paused;

-- name: by_hand
UPDATE schedule SET revision = revision + 1, last = ?3, held = ?4, fired = fired + ?5
WHERE tenant = ?1 AND name = ?2;

-- name: turn
UPDATE schedule SET revision = revision + 1, last = ?3, held = ?4, fired = fired + ?5,
    due = ?6, waiting = ?7, missed = missed + ?8, wake = ?9
WHERE tenant = ?1 AND name = ?2;

-- name: remember
INSERT INTO fire (tenant, name, entry) VALUES (?1, ?2, ?3);

-- name: fires
SELECT entry FROM fire WHERE tenant = ?1 AND name = ?2 ORDER BY seq DESC LIMIT ?3;

-- name: trim
DELETE FROM fire WHERE tenant = ?1 AND name = ?2 AND seq <= (
    SELECT seq FROM fire WHERE tenant = ?1 AND name = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3
);

-- name: forget_fires
DELETE FROM fire WHERE tenant = ?1 AND name = ?2;

-- name: need
INSERT INTO need (tenant, task, name) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING;

-- name: watch
INSERT INTO watched (tenant, task) VALUES (?1, ?2) ON CONFLICT DO NOTHING;

-- name: needs
SELECT n.task, w.completed FROM need n JOIN watched w ON w.tenant = n.tenant AND w.task = n.task
WHERE n.tenant = ?1 AND n.name = ?2;

-- name: waits
UPDATE need SET waits = ?3 WHERE tenant = ?1 AND name = ?2;

-- name: drop_needs
DELETE FROM need WHERE tenant = ?1 AND name = ?2;

-- name: unwatch
DELETE FROM watched WHERE tenant = ?1 AND task = ?2
AND NOT EXISTS (SELECT 1 FROM need n WHERE n.tenant = ?1 AND n.task = ?2);

-- What the end of a job may have to do with schedules: mostly there is neither.
-- name: any_concern
SELECT EXISTS (SELECT 1 FROM watched),
    EXISTS (SELECT 1 FROM schedule INDEXED BY schedule_held WHERE held <> x'');

-- name: completed
UPDATE watched SET completed = ?3 WHERE tenant = ?1 AND task = ?2;

-- name: who_waits
SELECT name FROM need WHERE tenant = ?1 AND task = ?2 AND waits;

-- name: who_holds
SELECT name FROM schedule INDEXED BY schedule_held
WHERE tenant = ?1 AND last = ?2 AND held <> x'' AND NOT paused;
