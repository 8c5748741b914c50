-- From schema 6, which had no tenants of their own, in which turns were by jobs and nobody
-- wrote down who did what, to schema 7. What a table means is said in schema.sql; a test compares what both lead to.

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

-- Tenants, and what they have taken.
CREATE TABLE tenant (
    name TEXT PRIMARY KEY,
    word TEXT NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE kept ADD COLUMN live INTEGER NOT NULL DEFAULT 0;
ALTER TABLE kept ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;

-- What is there counts. A record's call is what its header says, behind 56 bytes; hex
-- digits are read by their place among all digits.
INSERT INTO kept (tenant, bytes, live, stored)
SELECT tenant, 0, sum(live), sum(stored) FROM (
    SELECT tenant, CASE WHEN state < 5 THEN 1 ELSE 0 END AS live,
        CASE WHEN state >= 5 THEN length(record) ELSE 56
            + 16 * (instr('0123456789ABCDEF', substr(hex(substr(record, 54, 1)), 1, 1)) - 1)
            + (instr('0123456789ABCDEF', substr(hex(substr(record, 54, 1)), 2, 1)) - 1)
            + 4096 * (instr('0123456789ABCDEF', substr(hex(substr(record, 55, 1)), 1, 1)) - 1)
            + 256 * (instr('0123456789ABCDEF', substr(hex(substr(record, 55, 1)), 2, 1)) - 1)
            + 1048576 * (instr('0123456789ABCDEF', substr(hex(substr(record, 56, 1)), 1, 1)) - 1)
            + 65536 * (instr('0123456789ABCDEF', substr(hex(substr(record, 56, 1)), 2, 1)) - 1)
        END AS stored
    FROM job
    UNION ALL SELECT tenant, 0, size FROM blob
    UNION ALL SELECT tenant, 0, coalesce(json_extract(manifest, '$.size'), 0) FROM module
)
WHERE true GROUP BY tenant
ON CONFLICT DO UPDATE SET live = excluded.live, stored = excluded.stored;
