-- From schema 1, which had no limits and no terms, to schema 2, in place. What a
-- table means is said in schema.sql; a test compares what both lead to.

ALTER TABLE note ADD COLUMN log BLOB;

-- Each entry gets the priority of its record. One that cannot be read gets
-- whatever stands there: it is only to be found.
ALTER TABLE available RENAME TO available_1;
CREATE TABLE available (
    tenant TEXT    NOT NULL,
    queue  TEXT    NOT NULL,
    lane   TEXT    NOT NULL,
    step   INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (tenant, queue, lane, step, at, seq)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO available (tenant, queue, lane, step, at, seq, n)
SELECT tenant, queue, lane, 9 - priority, rank + priority * 600000, seq, n
FROM (
    SELECT a.*, min(9, CAST(hex(substr(j.record, 2, 1)) AS INTEGER)) AS priority
    FROM available_1 a CROSS JOIN job j ON j.n = a.n
);
DROP TABLE available_1;

DROP INDEX tenant_turn;
ALTER TABLE tenant_ring ADD COLUMN waits TEXT;
CREATE INDEX tenant_turn ON tenant_ring (queue, turn) WHERE waits IS NULL;
CREATE INDEX tenant_waits ON tenant_ring (tenant, waits, queue) WHERE waits IS NOT NULL;

DROP INDEX lane_turn;
ALTER TABLE lane_ring ADD COLUMN waits TEXT;
ALTER TABLE lane_ring ADD COLUMN baton TEXT;
CREATE INDEX lane_turn ON lane_ring (tenant, queue, turn) WHERE waits IS NULL;
CREATE INDEX lane_waits ON lane_ring (tenant, waits, queue, turn) WHERE waits IS NOT NULL;

CREATE TABLE asked (
    stamp  INTEGER PRIMARY KEY AUTOINCREMENT,
    n      INTEGER NOT NULL UNIQUE,
    worker INTEGER NOT NULL
) STRICT;
CREATE INDEX asked_of ON asked (worker);

CREATE TABLE expiry (
    n  INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX expiry_at ON expiry (at);

CREATE TABLE keyed (
    tenant TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    key    BLOB    NOT NULL,
    n      INTEGER NOT NULL,
    span   TEXT    NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keyed_by ON keyed (n);

CREATE TABLE leaving (
    n      INTEGER PRIMARY KEY,
    tenant TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
CREATE INDEX leaving_at ON leaving (tenant, at);

CREATE TABLE passed (
    tenant TEXT    PRIMARY KEY,
    at     INTEGER NOT NULL,
    n      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE kept (
    tenant TEXT    PRIMARY KEY,
    bytes  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rule (
    tenant   TEXT    NOT NULL,
    scope    TEXT    NOT NULL,
    own      TEXT,
    declared TEXT,
    paused   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
    tenant TEXT    NOT NULL,
    scope  TEXT    NOT NULL,
    busy   INTEGER NOT NULL,
    due    INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX held_idle ON held (due) WHERE busy = 0;

CREATE TABLE wake (
    tenant TEXT    NOT NULL,
    scope  TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX wake_at ON wake (at);

CREATE TABLE blob (
    blob   INTEGER PRIMARY KEY,
    tenant TEXT    NOT NULL,
    digest BLOB    NOT NULL,
    upload INTEGER NOT NULL,
    size   INTEGER NOT NULL,
    grace  INTEGER NOT NULL,
    loose  INTEGER NOT NULL,
    UNIQUE (tenant, digest)
) STRICT;
CREATE INDEX blob_upload ON blob (upload);
CREATE INDEX blob_loose ON blob (grace) WHERE loose;

CREATE TABLE refer (
    n    INTEGER NOT NULL,
    blob INTEGER NOT NULL,
    PRIMARY KEY (n, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX refer_to ON refer (blob);

INSERT INTO kept (tenant, bytes)
SELECT tenant, sum(length(record)) FROM job WHERE state >= 5 GROUP BY tenant;
