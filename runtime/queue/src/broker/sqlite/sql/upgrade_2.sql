-- From schema 2 to schema 3, in place: other indexes over jobs, and what runs is
-- found by its worker. What a table means is said in schema.sql; a test compares
-- what both lead to.

DROP INDEX job_at;
CREATE INDEX job_waits ON job (tenant, state, at) WHERE state < 5 AND state <> 3;
CREATE INDEX job_ended ON job (tenant, state, at) WHERE state >= 5;

ALTER TABLE inflight RENAME TO inflight_2;
CREATE TABLE inflight (
    worker   INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    pos      INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    PRIMARY KEY (worker, n)
) STRICT, WITHOUT ROWID;
INSERT INTO inflight (worker, n, number, pos, delivery)
SELECT worker, n, number, pos, delivery FROM inflight_2;
INSERT INTO inflight (worker, n, number, pos, delivery)
SELECT 0, j.n, 0, 0, 0 FROM job j
WHERE j.state = 3 AND NOT EXISTS (SELECT 1 FROM inflight_2 f WHERE f.n = j.n);
DROP TABLE inflight_2;
