-- From schema 4, which had no flows, to schema 5. What a table means is said in
-- schema.sql; a test compares what both lead to.

-- Where prune begins to look: no more than a hint, and it finds it again.
DROP TABLE passed;
CREATE TABLE passed (
    tenant TEXT    NOT NULL,
    state  INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (tenant, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE flow (
    flow    INTEGER PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    id      BLOB    NOT NULL,
    name    TEXT    NOT NULL,
    nodes   INTEGER NOT NULL,
    keep    INTEGER,
    state   TEXT    NOT NULL,
    stop    TEXT    NOT NULL DEFAULT '',
    added   INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0,
    live    INTEGER NOT NULL DEFAULT 0,
    done    INTEGER NOT NULL DEFAULT 0,
    failed  INTEGER NOT NULL DEFAULT 0,
    begun   INTEGER NOT NULL,
    ended   INTEGER NOT NULL DEFAULT 0,
    leaves  INTEGER,
    UNIQUE (tenant, id)
) STRICT;
CREATE INDEX flow_of ON flow (tenant) WHERE state <> 'g';
CREATE INDEX flow_building ON flow (begun) WHERE state = 'b';
CREATE INDEX flow_going ON flow (state) WHERE state = 'g';
CREATE INDEX flow_leaves ON flow (leaves) WHERE leaves IS NOT NULL AND state <> 'g';
CREATE INDEX flow_ended ON flow (tenant, state, ended) WHERE ended > 0;
CREATE INDEX flow_aged ON flow (tenant, state, ended) WHERE ended > 0 AND keep IS NULL;

CREATE TABLE flow_about (
    flow  INTEGER PRIMARY KEY,
    about BLOB    NOT NULL
) STRICT;

CREATE TABLE node (
    n     INTEGER PRIMARY KEY,
    flow  INTEGER NOT NULL,
    place INTEGER NOT NULL,
    waits INTEGER NOT NULL,
    UNIQUE (flow, place)
) STRICT;

CREATE TABLE joint (
    flow  INTEGER NOT NULL,
    joint INTEGER NOT NULL,
    open  INTEGER NOT NULL,
    PRIMARY KEY (flow, joint)
) STRICT, WITHOUT ROWID;

CREATE TABLE edge (
    flow  INTEGER NOT NULL,
    joint INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (flow, joint, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE flow_work (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    flow  INTEGER NOT NULL,
    kind  TEXT    NOT NULL,
    joint INTEGER NOT NULL,
    place INTEGER NOT NULL
) STRICT;
CREATE INDEX flow_work_of ON flow_work (flow);

CREATE TABLE flow_tally (
    tenant TEXT    NOT NULL,
    what   TEXT    NOT NULL,
    many   INTEGER NOT NULL,
    PRIMARY KEY (tenant, what)
) STRICT, WITHOUT ROWID;

ALTER TABLE note ADD COLUMN stays INTEGER;

CREATE TABLE source (
    tenant TEXT    NOT NULL,
    id     BLOB    NOT NULL,
    open   INTEGER NOT NULL,
    low    INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
