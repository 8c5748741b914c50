-- What a file holds beside jobs on their way (schema.sql): bytes, modules, schedules, flows,
-- what is kept for those who look on, and buckets.

-- Chunks belong to an upload, and a module or a blob names the upload that is
-- whole: so half an upload is never seen, and a repeated one repairs.
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

-- Inputs and results that are too large for a record. One is `loose` while no job
-- refers to it: then it goes once its grace is over.
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

-- When jobs are made without anybody calling. `spec` is what the schedule says, in
-- MessagePack; `due` the first time that has not been dealt with, `waiting` one that
-- waits for its conditions, `wake` when somebody should look. `held` are times that
-- wait for the end of the job `last`, 6 bytes each, little-endian, oldest first.
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

-- Their last fires, as `broker/schedules.rs` spells them.
CREATE TABLE fire (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    entry  BLOB    NOT NULL
) STRICT;
CREATE INDEX fire_of ON fire (tenant, name);

-- Tasks by whose completions schedules go, whether such a schedule waits for one just
-- now, and when each of these tasks completed last.
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

-- Flows. `state` is `b`, `r`, `c`, `f` or `x` as `broker/flows.rs` has them, or `g` for
-- one that is on its way out; `stop` why the rest of it is cancelled, if it is: `u`
-- because a node failed, `b` because nothing runs that the rest could wait for, `c`
-- because somebody said so. `live` are its nodes that neither wait for others nor have
-- ended, and the rows of `flow_work`.
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
    -- When one that has ended leaves that says so itself.
    leaves  INTEGER,
    UNIQUE (tenant, id)
) STRICT;
CREATE INDEX flow_of ON flow (tenant) WHERE state <> 'g';
CREATE INDEX flow_building ON flow (begun) WHERE state = 'b';
CREATE INDEX flow_going ON flow (state) WHERE state = 'g';
CREATE INDEX flow_leaves ON flow (leaves) WHERE leaves IS NOT NULL AND state <> 'g';
CREATE INDEX flow_ended ON flow (tenant, state, ended) WHERE ended > 0;
CREATE INDEX flow_aged ON flow (tenant, state, ended) WHERE ended > 0 AND keep IS NULL;

-- What clients want to know of a flow, apart: it may be large, and nothing changes it.
CREATE TABLE flow_about (
    flow  INTEGER PRIMARY KEY,
    about BLOB    NOT NULL
) STRICT;

-- A flow's jobs. `waits` is how many joints have yet to free one that needs several.
CREATE TABLE node (
    n     INTEGER PRIMARY KEY,
    flow  INTEGER NOT NULL,
    place INTEGER NOT NULL,
    waits INTEGER NOT NULL,
    UNIQUE (flow, place)
) STRICT;

-- How many members of a joint have yet to complete; those without members have none.
CREATE TABLE joint (
    flow  INTEGER NOT NULL,
    joint INTEGER NOT NULL,
    open  INTEGER NOT NULL,
    PRIMARY KEY (flow, joint)
) STRICT, WITHOUT ROWID;

-- Whom a joint frees, until it has. Joint -1 is the flow's beginning.
CREATE TABLE edge (
    flow  INTEGER NOT NULL,
    joint INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (flow, joint, place)
) STRICT, WITHOUT ROWID;

-- What is more of a flow than one step should do, the first first: a joint's nodes are
-- freed (`f`), nodes are cancelled (`u`, `b`, `c` as in `flow`), come back (`v`), or are
-- tried again (`t`), from a place on.
CREATE TABLE flow_work (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    flow  INTEGER NOT NULL,
    kind  TEXT    NOT NULL,
    joint INTEGER NOT NULL,
    place INTEGER NOT NULL
) STRICT;
CREATE INDEX flow_work_of ON flow_work (flow);

-- How many of a tenant's flows have ended as `c`, `f` or `x`, and how many of its jobs
-- that ended in state 5, 6 or 7 are nodes: they leave with their flows.
CREATE TABLE flow_tally (
    tenant TEXT    NOT NULL,
    what   TEXT    NOT NULL,
    many   INTEGER NOT NULL,
    PRIMARY KEY (tenant, what)
) STRICT, WITHOUT ROWID;

-- How many jobs of its pages a source has open, and, while it waits, at how many of them
-- it goes on.
CREATE TABLE source (
    tenant TEXT    NOT NULL,
    id     BLOB    NOT NULL,
    open   INTEGER NOT NULL,
    low    INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- Small things by name, such as who may use the front door.
CREATE TABLE entry (
    tenant TEXT NOT NULL,
    shelf  TEXT NOT NULL,
    name   TEXT NOT NULL,
    bytes  BLOB NOT NULL,
    UNIQUE (tenant, shelf, name)
) STRICT;

-- What became of a task's jobs in one queue in the minute that begins `at`; spans in
-- microseconds. Empty names are of all for which a minute has no place.
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
    attempts    INTEGER NOT NULL DEFAULT 0,
    cpu         INTEGER NOT NULL DEFAULT 0,
    memory_time INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, at, queue, task)
) STRICT, WITHOUT ROWID;
CREATE INDEX minute_at ON minute (at);

-- What a task used on the day that begins then; the empty one is of all for which a day
-- has no place. Memory times time is in KiB times milliseconds.
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

-- What a tenant's onlookers are told. The last of them always stays: so no number is
-- given twice.
CREATE TABLE event (
    tenant TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    UNIQUE (tenant, seq)
) STRICT;

-- What people did. The last of them always stays: so no number is given twice.
CREATE TABLE act (
    tenant TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    UNIQUE (tenant, seq)
) STRICT;

-- What tasks keep from one job to the next: keys with values. A bucket is there while it has
-- keys, and counts them and their bytes.
CREATE TABLE bucket (
    bucket INTEGER PRIMARY KEY,
    tenant TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    keys   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE TABLE pair (
    bucket INTEGER NOT NULL,
    key    TEXT    NOT NULL,
    value  BLOB    NOT NULL,
    UNIQUE (bucket, key)
) STRICT;
