-- From schema 6, in which turns were by jobs and nobody wrote down who did what, to schema
-- 7. What a table means is said in schema.sql; a test compares what both lead to.

-- The audit log.
CREATE TABLE act (
    tenant TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    UNIQUE (tenant, seq)
) STRICT;

-- Shares by CPU time, and usage.
ALTER TABLE inflight ADD COLUMN charged INTEGER NOT NULL DEFAULT 0;

CREATE TABLE fair (
    tenant TEXT    NOT NULL PRIMARY KEY,
    weight INTEGER,
    cost   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE clock (
    queue  TEXT    NOT NULL,
    tenant TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (queue, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX clock_at ON clock (queue, at);

ALTER TABLE minute ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE minute ADD COLUMN cpu INTEGER NOT NULL DEFAULT 0;
ALTER TABLE minute ADD COLUMN memory_time INTEGER NOT NULL DEFAULT 0;

CREATE TABLE used (
    tenant      TEXT    NOT NULL,
    day         INTEGER NOT NULL,
    task        TEXT    NOT NULL,
    attempts    INTEGER NOT NULL,
    cpu         INTEGER NOT NULL,
    memory_time INTEGER NOT NULL,
    fuel        INTEGER NOT NULL,
    ran         INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, task)
) STRICT, WITHOUT ROWID;
CREATE INDEX used_on ON used (day);
