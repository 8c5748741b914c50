-- From schema 5, which had no ledger, to schema 6. What a table means is said in
-- schema.sql; a test compares what both lead to.

ALTER TABLE lease ADD COLUMN about BLOB NOT NULL DEFAULT x'';

CREATE TABLE entry (
    tenant TEXT NOT NULL,
    shelf  TEXT NOT NULL,
    name   TEXT NOT NULL,
    bytes  BLOB NOT NULL,
    UNIQUE (tenant, shelf, name)
) STRICT;

CREATE TABLE minute (
    tenant      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    queue       TEXT    NOT NULL,
    task        TEXT    NOT NULL,
    completed   INTEGER NOT NULL,
    retried     INTEGER NOT NULL,
    discarded   INTEGER NOT NULL,
    cancelled   INTEGER NOT NULL,
    ran         INTEGER NOT NULL,
    waited      INTEGER NOT NULL,
    fuel        INTEGER NOT NULL,
    waited_most INTEGER NOT NULL,
    PRIMARY KEY (tenant, at, queue, task)
) STRICT, WITHOUT ROWID;
CREATE INDEX minute_at ON minute (at);

CREATE TABLE event (
    tenant TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    UNIQUE (tenant, seq)
) STRICT;
