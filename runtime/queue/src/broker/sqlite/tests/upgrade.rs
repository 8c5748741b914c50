//! Files of earlier schemas.

use rusqlite::{Connection, params};

use super::*;
use crate::broker::{Buckets, Ledger, Tenants};
use crate::clock::Millis;
use crate::record;
use crate::registry::blob;
use crate::task::{TaskInfo, TaskOptions};

const THEN: Millis = Millis(1_790_000_000_000);

/// The earlier schemas, the first first.
const SCHEMAS: [&str; 7] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
];

/// A file as an earlier schema had it.
struct Old(Connection);

impl Old {
    fn make(path: &Path) -> Self {
        Old::of(path, 1)
    }

    fn of(path: &Path, schema: usize) -> Self {
        let conn = Connection::open(path).unwrap();
        conn.execute_batch(SCHEMAS[schema - 1]).unwrap();
        conn.pragma_update(None, "application_id", 0x4c56_4745)
            .unwrap();
        conn.pragma_update(None, "user_version", schema as i64)
            .unwrap();
        Old(conn)
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) {
        self.0.execute(sql, params).unwrap();
    }

    /// A job of this state; its number.
    fn job(&self, job: &NewJob, change: impl Fn(&mut record::Header)) -> i64 {
        let (version, call) = record::encode_call(job).unwrap();
        let mut bytes = record::encode(job, version, &call, THEN);
        let mut header = record::Header::decode(&bytes).unwrap();
        change(&mut header);
        bytes[..record::HEADER].copy_from_slice(&header.encode());
        let (id, state, at) = (job.id.0, header.state as u8, header.available.0 as i64);
        self.run(
            "INSERT INTO job (tenant, id, queue, state, at, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![TENANT, id, job.queue, state, at, bytes],
        );
        let n = self.0.last_insert_rowid();
        self.run(
            "INSERT INTO tally VALUES (?1, ?2, ?3, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1",
            params![TENANT, job.queue, state],
        );
        n
    }

    /// One that may be claimed.
    fn available(&self, job: &NewJob, seq: i64) {
        let n = self.job(job, |_| {});
        let rank = THEN.0 as i64 - i64::from(job.priority) * 600_000;
        let place = [TENANT, &job.queue, &job.lane];
        self.run(
            "INSERT INTO available VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![place[0], place[1], place[2], rank, seq, n],
        );
        self.run(
            "INSERT INTO lane_ring VALUES (?1, ?2, ?3, 1) ON CONFLICT DO NOTHING",
            place,
        );
        self.run(
            "INSERT INTO tenant_ring VALUES (?1, ?2, 1) ON CONFLICT DO NOTHING",
            [&job.queue, TENANT],
        );
    }

    /// An active module that says something of its task.
    fn module(&self, options: TaskOptions) -> Digest {
        let bytes = b"a module";
        let digest = Digest::of(bytes);
        let schema = serde_json::Value::Bool(true);
        let task = TaskInfo {
            name: "add".into(),
            doc: String::new(),
            input_schema: schema.clone(),
            output_schema: schema,
            options,
            schedules: Vec::new(),
        };
        let manifest = Manifest {
            size: 8,
            tasks: vec![task],
            wants: Default::default(),
        };
        self.run("INSERT INTO upload VALUES (1, 0)", []);
        for chunk in blob::pack(bytes).unwrap() {
            self.run("INSERT INTO chunk VALUES (1, 0, ?1)", [chunk]);
        }
        let manifest = serde_json::to_string(&manifest).unwrap();
        let row = params![TENANT, digest.0, manifest];
        self.run("INSERT INTO module VALUES (?1, ?2, 1, ?3)", row);
        let row = params![TENANT, digest.0];
        let active = "INSERT INTO history VALUES (?1, 'basics', 1, ?2, 0, 'me', 1)";
        self.run(active, row);
        digest
    }
}

#[tokio::test]
async fn a_file_of_schema_1_is_brought_up_to_date_with_all_that_is_in_it() {
    let (_dir, path) = place();
    let old = Old::make(&path);
    let urgent = NewJob {
        priority: 9,
        ..job()
    };
    let other = NewJob {
        task: "other".into(),
        lane: "a".into(),
        ..job()
    };
    let waiting = [job(), urgent, job(), other];
    for (seq, job) in waiting.iter().enumerate() {
        old.available(job, seq as i64);
    }
    let later = NewJob {
        eta: When::At(THEN.after(SOON)),
        ..job()
    };
    let n = old.job(&later, |_| {});
    let due = later.eta.from(THEN).0 as i64;
    old.run("INSERT INTO delayed VALUES (?1, ?2)", [due, n]);
    let (running, worker) = (job(), WorkerId(7));
    let n = old.job(&running, |header| {
        header.state = State::Running;
        (header.delivery, header.worker) = (1, worker.0);
    });
    old.run("INSERT INTO inflight VALUES (?1, 7, 1, 0, 1)", [n]);
    old.run("INSERT INTO lease VALUES (7, ?1, 1)", [i64::MAX]);
    let ended = job();
    let n = old.job(&ended, |header| {
        header.state = State::Completed;
        header.finished = THEN;
    });
    old.run("INSERT INTO note VALUES (?1, NULL, NULL)", [n]);
    let digest = old.module(TaskOptions {
        concurrency: Some(3),
        ..TaskOptions::default()
    });
    drop(old);

    let (clock, now) = clock();
    let broker = SqliteBroker::open(&path, clock).await.unwrap();
    let counts = broker.counts(TENANT).await.unwrap().remove(0);
    assert_eq!((counts.available, counts.scheduled), (4, 1));
    assert_eq!((counts.running, counts.completed), (1, 1));
    let bytes = broker.module(TENANT, digest).await.unwrap();
    assert_eq!(bytes.as_deref(), Some(&b"a module"[..]));

    // The module's word counts from now on, and what runs already with it.
    let limits = broker.limits(TENANT).await.unwrap();
    assert_eq!(limits[0].scope.to_string(), "task:basics.add");
    assert!(limits[0].declared);
    assert_eq!(
        (limits[0].limit.concurrency, limits[0].running),
        (Some(3), 1)
    );
    let mut claimed = ids(&broker.claim(&claim(WorkerId(8), 1)).await.unwrap());
    claimed.sort_unstable();
    let mut expected = [&waiting[0], &waiting[1], &waiting[3]].map(|job| job.id);
    expected.sort_unstable();
    assert_eq!(
        claimed, expected,
        "two beside the one that runs, and the other task"
    );

    // What ran goes on where it was.
    let settled = Settlement {
        tenant: TENANT.into(),
        id: running.id,
        delivery: 1,
        queue: "default".into(),
        action: Action::Discard,
        attempt: None,
        children: Vec::new(),
        flows: Vec::new(),
        spent: crate::job::Spent::default(),
    };
    let answer = broker.settle(worker, &[settled]).await.unwrap();
    assert_eq!(answer, [Settled::Recorded]);
    let next = broker.claim(&claim(WorkerId(8), 2)).await.unwrap();
    assert_eq!(ids(&next), [waiting[2].id]);
    let promoted = broker.promote(Partition(0), 10).await.unwrap();
    assert_eq!(promoted.jobs, 1);

    // Bytes are counted: one kind after the other makes room.
    let keep = Retention {
        bytes: 100,
        ..Retention::default()
    };
    now.store(THEN.0 + 1, Ordering::SeqCst);
    broker.prune(Partition(0), &keep, 10).await.unwrap();
    assert_eq!(broker.jobs(TENANT, &[ended.id]).await.unwrap(), [None]);
}

#[tokio::test]
async fn what_runs_in_a_file_of_schema_2_is_found_by_its_worker() {
    let (_dir, path) = place();
    let old = Old::of(&path, 2);
    let [held, aside, waiting, ended] = [job(), job(), job(), job()];
    let running = |header: &mut record::Header| {
        header.state = State::Running;
        (header.delivery, header.worker) = (1, 7);
    };
    let n = old.job(&held, running);
    old.run("INSERT INTO inflight VALUES (?1, 7, 1, 0, 1)", [n]);
    old.run("INSERT INTO lease VALUES (7, ?1, 1)", [THEN.0 as i64]);
    // What only a later Lovage could read waits for it in its state.
    let n = old.job(&aside, running);
    old.run("INSERT INTO delayed VALUES (?1, ?2)", [THEN.0 as i64, n]);
    old.job(&waiting, |header| header.state = State::Scheduled);
    old.job(&ended, |header| {
        (header.state, header.finished) = (State::Completed, THEN);
    });
    drop(old);

    let (clock, _) = clock();
    let broker = SqliteBroker::open(&path, clock).await.unwrap();
    let listed = async |state| {
        let page = broker.list(TENANT, &Filter::of(state, 9)).await.unwrap();
        page.jobs.iter().map(|it| it.call.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(State::Running).await, [held.id, aside.id]);
    assert_eq!(listed(State::Scheduled).await, [waiting.id]);
    assert_eq!(listed(State::Completed).await, [ended.id]);
    let reclaimed = broker.reclaim(Partition(0), 9).await.unwrap();
    assert_eq!((reclaimed.workers, reclaimed.jobs), (1, 1));
    broker.promote(Partition(0), 9).await.unwrap();
    assert_eq!(listed(State::Running).await, []);
    let claimed = broker.claim(&claim(WorkerId(8), 1)).await.unwrap();
    assert_eq!(ids(&claimed), [held.id, aside.id]);
}

#[tokio::test]
async fn a_file_of_schema_4_passes_over_what_leaves_at_its_own_time_again() {
    let (_dir, path) = place();
    let old = Old::of(&path, 4);
    let [own, ended] = [job(), job()];
    for it in [&own, &ended] {
        old.job(it, |header| {
            (header.state, header.finished) = (State::Completed, THEN);
        });
    }
    old.run(
        "INSERT INTO leaving VALUES (1, ?1, ?2)",
        params![TENANT, i64::MAX],
    );
    old.run("INSERT INTO passed VALUES (?1, ?2, 1)", params![TENANT, 0]);
    drop(old);

    let (clock, _) = clock();
    let broker = SqliteBroker::open(&path, clock).await.unwrap();
    let pruned = broker.prune(Partition(0), &Retention::default(), 9).await;
    assert_eq!(pruned.unwrap(), 1);
    let kept = broker.jobs(TENANT, &[own.id, ended.id]).await.unwrap();
    assert!(kept[0].is_some() && kept[1].is_none());
}

#[tokio::test]
async fn a_worker_of_a_file_of_schema_5_tells_of_its_host_when_it_can() {
    let (_dir, path) = place();
    let old = Old::of(&path, 5);
    let held = job();
    let n = old.job(&held, |header| {
        header.state = State::Running;
        (header.delivery, header.worker) = (1, 7);
    });
    old.run("INSERT INTO inflight VALUES (7, ?1, 1, 0, 1)", [n]);
    let until = THEN.0 as i64 + 10_000_000_000_000;
    old.run("INSERT INTO lease VALUES (7, ?1, 1)", [until]);
    drop(old);

    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let of = async || broker.workers(TENANT).await.unwrap().remove(0);
    let worker = of().await;
    assert_eq!((worker.worker, &worker.about[..]), (WorkerId(7), &b""[..]));
    assert_eq!((worker.held, worker.others), (vec![held.id], 0));
    let beat = Heartbeat {
        partition: Partition(0),
        worker: WorkerId(7),
        // By the host's clock, and whose lease has run out is told of no more.
        lease: PATIENCE,
        queues: Vec::new(),
        compiled: Vec::new(),
        about: b"a host".into(),
    };
    broker.extend(&beat).await.unwrap();
    assert_eq!(of().await.about, b"a host");
}

#[tokio::test]
async fn what_a_file_of_schema_7_has_stored_counts_beside_its_first_bucket() {
    let (_dir, path) = place();
    let old = Old::of(&path, 7);
    old.run("INSERT INTO kept VALUES (?1, 0, 0, 77)", [TENANT]);
    drop(old);
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    assert_eq!(broker.buckets(TENANT).await.unwrap(), []);
    let pairs = [("key".to_owned(), b"value".to_vec())];
    broker.set_many(TENANT, "b", &pairs).await.unwrap();
    assert_eq!(broker.usage_of(TENANT).await.unwrap().bytes, 77 + 8);
}

/// Columns and indexes by table, in no order: an upgrade adds them behind.
fn shape(conn: &Connection) -> Vec<String> {
    let shape = "
        SELECT t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk
            || coalesce(' ' || c.dflt_value, '')
        FROM sqlite_schema t, pragma_table_xinfo(t.name) c WHERE t.type = 'table'
        UNION ALL
        SELECT i.name || ' ' || i.tbl_name || coalesce(' ' || i.sql, '')
        FROM sqlite_schema i WHERE i.type = 'index'
        ORDER BY 1";
    let mut statement = conn.prepare(shape).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

#[tokio::test]
async fn what_is_in_a_file_of_schema_6_counts_for_quotas() {
    let (_dir, path) = place();
    let old = Old::of(&path, 6);
    let (_, broker_clock) = (THEN, Clock::Set(Arc::new(THEN.0.into())));
    let plain = NewJob::new(JobId::new(Partition(0)), "basics", "add", vec![7; 70_000]);
    let size = |job: &NewJob| {
        let (version, call) = record::encode_call(job).unwrap();
        record::encode(job, version, &call, THEN).len() as u64
    };
    old.job(&plain, |_| {});
    let ended = NewJob::new(JobId::new(Partition(0)), "basics", "add", vec![1]);
    old.job(&ended, |header| header.state = State::Completed);
    old.run("INSERT INTO kept VALUES (?1, 77)", [TENANT]);
    old.module(TaskOptions::default());
    drop(old);
    let broker = SqliteBroker::open(&path, broker_clock).await.unwrap();
    let usage = broker.usage_of(TENANT).await.unwrap();
    assert_eq!((usage.queued, usage.modules), (1, 1));
    assert_eq!(usage.bytes, size(&plain) + size(&ended) + 8);
    // And is taken off again.
    broker.cancel(TENANT, &[plain.id]).await.unwrap();
    broker.delete(TENANT, &[plain.id]).await.unwrap();
    let usage = broker.usage_of(TENANT).await.unwrap();
    assert_eq!(usage.queued, 0);
    assert_eq!(usage.bytes, size(&ended) + 8);
}

#[tokio::test]
async fn an_upgraded_file_has_the_schema_of_a_new_one() {
    let new = Connection::open_in_memory().unwrap();
    new.execute_batch(crate::broker::sqlite::sql::SCHEMA_TEXT)
        .unwrap();
    for schema in 1..=SCHEMAS.len() {
        let (_dir, path) = place();
        drop(Old::of(&path, schema));
        drop(SqliteBroker::open(&path, Clock::Store).await.unwrap());
        let upgraded = shape(&Connection::open(&path).unwrap());
        assert_eq!(upgraded, shape(&new), "from {schema}");
        drop(SqliteBroker::open(&path, Clock::Store).await.unwrap());
    }
}

#[tokio::test]
async fn two_processes_that_upgrade_at_once_both_get_on() {
    let (_dir, path) = place();
    let old = Old::make(&path);
    for seq in 0..100 {
        old.available(&job(), seq);
    }
    drop(old);
    let ours = SqliteBroker::open(&path, Clock::Store);
    let (ours, theirs) = tokio::join!(ours, another(&path, &Clock::Store));
    for broker in [ours.unwrap(), theirs] {
        assert_eq!(broker.counts(TENANT).await.unwrap()[0].available, 100);
    }
}
