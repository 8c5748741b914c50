-- From schema 3, which had no schedules, to schema 4. What a table means is said in
-- schema.sql; a test compares what both lead to.

CREATE TABLE schedule (
    tenant   TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    owner    TEXT    NOT NULL,
    spec     BLOB    NOT NULL,
    revision INTEGER NOT NULL,
    due      INTEGER,
    waiting  INTEGER,
    paused   INTEGER NOT NULL DEFAULT 0,
    last     BLOB,
    held     BLOB    NOT NULL DEFAULT x'',
    fired    INTEGER NOT NULL DEFAULT 0,
    missed   INTEGER NOT NULL DEFAULT 0,
    wake     INTEGER,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedule_of ON schedule (tenant, owner);
CREATE INDEX schedule_wake ON schedule (wake) WHERE wake IS NOT NULL;
CREATE INDEX schedule_held ON schedule (tenant, last) WHERE held <> x'';
CREATE TABLE fire (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    entry  BLOB    NOT NULL
) STRICT;
CREATE INDEX fire_of ON fire (tenant, name);
CREATE TABLE need (
    tenant TEXT    NOT NULL,
    task   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    waits  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, task, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX need_of ON need (tenant, name);
CREATE TABLE watched (
    tenant    TEXT    NOT NULL,
    task      TEXT    NOT NULL,
    completed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, task)
) STRICT, WITHOUT ROWID;
