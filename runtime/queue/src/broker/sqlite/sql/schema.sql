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
-- WITHOUT ROWID where a row is little more than its key. What there is beside jobs on their
-- way stands in schema_beside.sql.

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
-- ended, and bytes of calls that have not, of records that have, of blobs, of modules, and
-- of pairs.
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
