-- One file is one partition. A job is one row of `job`; every other table but
-- `note` holds it (by its number `n`) exactly while its state says so, so each
-- question a broker is asked is one short walk of one index:
--
--   available           available + lane_ring + tenant_ring
--   scheduled/retryable delayed
--   running             inflight
--
-- WITHOUT ROWID where a row is little more than its key.

CREATE TABLE job (
    n      INTEGER PRIMARY KEY,
    tenant TEXT    NOT NULL,
    id     BLOB    NOT NULL,
    queue  TEXT    NOT NULL,
    -- The record's own state byte, for the index, and for records that cannot
    -- be read any more.
    state  INTEGER NOT NULL,
    -- When it ended, or else when it became or becomes available.
    at     INTEGER NOT NULL,
    record BLOB    NOT NULL,
    UNIQUE (tenant, id)
) STRICT;

-- Listings, and the finish lists that prune walks from the other end.
CREATE INDEX job_at ON job (tenant, state, at, n);

-- Progress and checkpoint, beside the record because they change while it runs.
CREATE TABLE note (
    n          INTEGER PRIMARY KEY,
    progress   BLOB,
    checkpoint BLOB
) STRICT;

-- What may be claimed, lane by lane, lowest rank first; `seq` orders equals.
CREATE TABLE available (
    tenant TEXT    NOT NULL,
    queue  TEXT    NOT NULL,
    lane   TEXT    NOT NULL,
    rank   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (tenant, queue, lane, rank, seq)
) STRICT, WITHOUT ROWID;

-- The rings: whoever has the lowest turn is next; to rotate is to take a turn
-- above all others. Only what has available jobs is in a ring.
CREATE TABLE tenant_ring (
    queue  TEXT    NOT NULL,
    tenant TEXT    NOT NULL,
    turn   INTEGER NOT NULL,
    PRIMARY KEY (queue, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX tenant_turn ON tenant_ring (queue, turn);

CREATE TABLE lane_ring (
    tenant TEXT    NOT NULL,
    queue  TEXT    NOT NULL,
    lane   TEXT    NOT NULL,
    turn   INTEGER NOT NULL,
    PRIMARY KEY (tenant, queue, lane)
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_turn ON lane_ring (tenant, queue, turn);

CREATE TABLE delayed (
    due INTEGER NOT NULL,
    n   INTEGER NOT NULL,
    PRIMARY KEY (due, n)
) STRICT, WITHOUT ROWID;

-- Who runs what, and by which claim: the last claim is answered again from
-- here, and notes are fenced by it.
CREATE TABLE inflight (
    n        INTEGER PRIMARY KEY,
    worker   INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    pos      INTEGER NOT NULL,
    delivery INTEGER NOT NULL
) STRICT;
CREATE INDEX inflight_of ON inflight (worker, number, pos);

-- Live workers; `number` is that of their last claim.
CREATE TABLE lease (
    worker INTEGER PRIMARY KEY,
    until  INTEGER NOT NULL,
    number INTEGER NOT NULL
) STRICT;
CREATE INDEX lease_until ON lease (until);

-- Workers declared dead; `holds` until all their jobs are given back.
CREATE TABLE tombstone (
    worker INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    holds  INTEGER NOT NULL
) STRICT;
CREATE INDEX tombstone_holds ON tombstone (worker) WHERE holds;

-- How many jobs stand where, kept by every step; rows of none are not kept.
CREATE TABLE tally (
    tenant TEXT    NOT NULL,
    queue  TEXT    NOT NULL,
    state  INTEGER NOT NULL,
    jobs   INTEGER NOT NULL,
    PRIMARY KEY (tenant, queue, state)
) STRICT, WITHOUT ROWID;

-- A module's chunks belong to an upload, and the module names the upload that
-- is whole: so half an upload is never seen, and a repeated one repairs.
CREATE TABLE upload (
    upload INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL
) STRICT;
CREATE TABLE chunk (
    upload INTEGER NOT NULL,
    no     INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    UNIQUE (upload, no)
) STRICT;
CREATE TABLE module (
    tenant   TEXT    NOT NULL,
    digest   BLOB    NOT NULL,
    upload   INTEGER NOT NULL,
    manifest TEXT    NOT NULL,
    UNIQUE (tenant, digest)
) STRICT;
CREATE INDEX module_upload ON module (upload);

-- The releases of a name.
CREATE TABLE history (
    tenant TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    number INTEGER NOT NULL,
    digest BLOB    NOT NULL,
    at     INTEGER NOT NULL,
    author TEXT    NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (tenant, name, number)
) STRICT, WITHOUT ROWID;
-- The map of active digests: claim reads it, and no name has two.
CREATE UNIQUE INDEX history_active ON history (tenant, name) WHERE active;

-- Digests that workers are asked to compile; a stamp is never given twice, so
-- that whoever watches the file sees a new one.
CREATE TABLE staged (
    stamp  INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT    NOT NULL,
    digest BLOB    NOT NULL,
    at     INTEGER NOT NULL,
    UNIQUE (tenant, digest)
) STRICT;
-- What each worker said of them: nothing, or why it could not.
CREATE TABLE word (
    tenant  TEXT    NOT NULL,
    digest  BLOB    NOT NULL,
    worker  INTEGER NOT NULL,
    refusal TEXT,
    PRIMARY KEY (tenant, digest, worker)
) STRICT, WITHOUT ROWID;
