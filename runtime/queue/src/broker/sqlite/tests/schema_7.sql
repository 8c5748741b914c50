-- One file is one partition. A job is one row of `job`; every other table but
-- `note` holds it (by its number `n`) exactly while its state says so, so each
-- question a broker is asked is one short walk of one index:
--
--   available           available + lane_ring + tenant_ring
--   scheduled/retryable delayed
--   running             inflight, and asked if it is to stop
--   completed           leaving, if it says itself how long it is kept
--   pending             edge, once for each joint of its flow that it waits for
--
-- `expiry` holds it while it waits and has not begun, `keyed` and `refer` as long
-- as there is a record, and `node` as long as its flow is kept. `rule` and `held` are
-- of scopes, not of jobs.
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

-- Listings, and the finish lists that prune walks from the other end. What runs is
-- in neither: `inflight` finds it, and a claim has one index less to change. Two of
-- them, so that what is added to either mostly goes to its end.
CREATE INDEX job_waits ON job (tenant, state, at) WHERE state < 5 AND state <> 3;
CREATE INDEX job_ended ON job (tenant, state, at) WHERE state >= 5;

-- Progress, checkpoint and log, beside the record because they change while it
-- runs. A checkpoint `stays` where it is the cursor of a source that did not complete.
CREATE TABLE note (
    n          INTEGER PRIMARY KEY,
    progress   BLOB,
    checkpoint BLOB,
    log        BLOB,
    stays      INTEGER
) STRICT;

-- What may be claimed, lane by lane. `step` is 9 less the priority; within it the
-- oldest goes first, and `seq` orders equals. How the steps of a lane compete is
-- its queue's order, which may change at any time: so it is in no key.
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

-- The rings: whoever has the lowest turn is next. A lane that rotates takes a turn above
-- all others; that of a tenant is the CPU time that it has had in the queue, by its weight,
-- in nanoseconds. Only what has available jobs is in a ring. What `waits` for a
-- scope keeps its row, so that a new job does not bring it back, but is in the
-- index of those who wait instead of the ring's: nobody walks past it.
CREATE TABLE tenant_ring (
    queue  TEXT    NOT NULL,
    tenant TEXT    NOT NULL,
    turn   INTEGER NOT NULL,
    waits  TEXT,
    PRIMARY KEY (queue, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX tenant_turn ON tenant_ring (queue, turn) WHERE waits IS NULL;
CREATE INDEX tenant_waits ON tenant_ring (tenant, waits, queue) WHERE waits IS NOT NULL;

-- `baton` is the scope that let a lane go on: if the lane does not use what was
-- free, the next in line does.
CREATE TABLE lane_ring (
    tenant TEXT    NOT NULL,
    queue  TEXT    NOT NULL,
    lane   TEXT    NOT NULL,
    turn   INTEGER NOT NULL,
    waits  TEXT,
    baton  TEXT,
    PRIMARY KEY (tenant, queue, lane)
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_turn ON lane_ring (tenant, queue, turn) WHERE waits IS NULL;
CREATE INDEX lane_waits ON lane_ring (tenant, waits, queue, turn) WHERE waits IS NOT NULL;

-- A tenant's weight, where it is not one, and the CPU time that its jobs take on average,
-- in nanoseconds, where that is known.
CREATE TABLE fair (
    tenant TEXT    NOT NULL PRIMARY KEY,
    weight INTEGER,
    cost   INTEGER
) STRICT, WITHOUT ROWID;

-- The turn of the tenant that was served last in a queue, as that of nobody (an empty
-- name); and of those that left the ring with a later one, theirs.
CREATE TABLE clock (
    queue  TEXT    NOT NULL,
    tenant TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (queue, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX clock_at ON clock (queue, at);

CREATE TABLE delayed (
    due INTEGER NOT NULL,
    n   INTEGER NOT NULL,
    PRIMARY KEY (due, n)
) STRICT, WITHOUT ROWID;

-- Who runs what, and by which claim: the last claim is answered again from
-- here, and notes are fenced by it. Worker 0 is nobody: what was taken back and
-- waits, as what runs, for somebody who can read it. `charged` is what the claim took the
-- job for, in microseconds of CPU time.
CREATE TABLE inflight (
    worker   INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    pos      INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    charged  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (worker, n)
) STRICT, WITHOUT ROWID;

-- Running jobs that were asked to stop; a stamp is never given twice, so that
-- whoever watches the file sees a new one.
CREATE TABLE asked (
    stamp  INTEGER PRIMARY KEY AUTOINCREMENT,
    n      INTEGER NOT NULL UNIQUE,
    worker INTEGER NOT NULL
) STRICT;
CREATE INDEX asked_of ON asked (worker);

-- When a job that waits is cancelled unless it has begun.
CREATE TABLE expiry (
    n  INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX expiry_at ON expiry (at);

-- Who has a key: an idempotency key (`k`), or a unique one (`u`) until the job has
-- begun (`s`), is done (`d`), or then (`t`).
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

-- When a completed job leaves that says so itself.
CREATE TABLE leaving (
    n      INTEGER PRIMARY KEY,
    tenant TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
CREATE INDEX leaving_at ON leaving (tenant, at);

-- Up to where only such, and nodes, are left among a tenant's ended jobs of a state:
-- prune need not pass over them again and again.
CREATE TABLE passed (
    tenant TEXT    NOT NULL,
    state  INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (tenant, state)
) STRICT, WITHOUT ROWID;

-- Bytes of what has ended, with its blobs. And what a quota counts: jobs that have not
-- ended, and bytes of calls that have not, of records that have, of blobs and of modules.
CREATE TABLE kept (
    tenant TEXT    PRIMARY KEY,
    bytes  INTEGER NOT NULL,
    live   INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Tenants that have a record: what it says, as JSON (tenant.rs of this crate).
CREATE TABLE tenant (
    name TEXT PRIMARY KEY,
    word TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What a scope allows, as JSON: the operator's own word, and that of a module on
-- its task. Scopes are spelled as `limits.rs` does.
CREATE TABLE rule (
    tenant   TEXT    NOT NULL,
    scope    TEXT    NOT NULL,
    own      TEXT,
    declared TEXT,
    paused   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, scope)
) STRICT, WITHOUT ROWID;

-- What a scope holds just now: how many of its jobs run, and when its next start
-- is due, in microseconds. Each lane has its own, whoever limits it.
CREATE TABLE held (
    tenant TEXT    NOT NULL,
    scope  TEXT    NOT NULL,
    busy   INTEGER NOT NULL,
    due    INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX held_idle ON held (due) WHERE busy = 0;

-- When those who wait for a scope are looked at.
CREATE TABLE wake (
    tenant TEXT    NOT NULL,
    scope  TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX wake_at ON wake (at);

-- Live workers; `number` is that of their last claim, `about` what they tell of their
-- hosts.
CREATE TABLE lease (
    worker INTEGER PRIMARY KEY,
    until  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    about  BLOB    NOT NULL DEFAULT x''
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
