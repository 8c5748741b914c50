//! A broker, its workers and a producer, from the first job to the audit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lovage_queue::client::Client;
use lovage_queue::job::{Job, State, WorkerId};

use super::audit::Audit;
use super::plan::Plan;
use super::report::Row;
use super::workload::{Load, MODULE, Produced, QUEUES, module};
use crate::support::process::Process;
use crate::support::site::Site;
use crate::support::until;

/// How long it may take until all that was accepted has ended. What is stuck is
/// lost to whoever waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// What a worker calls an error where a case drives it there.
const EXPECTED: [&str; 1] = ["the claim loop hangs"];

/// Cases of one process take turns, so that they do not starve each other.
static TURN: Mutex<()> = Mutex::new(());

/// A worker and how it is started.
pub(super) struct Worker {
    pub(super) process: Process,
    args: Vec<String>,
}

impl Worker {
    /// Its newest identity.
    pub(super) fn identity(&self) -> WorkerId {
        let log = self.process.log();
        let (_, id) = log.rsplit_once(" working worker=").expect("it works");
        WorkerId::try_from(id[..16].to_owned()).unwrap()
    }

    /// How often it has said something.
    pub(super) fn said(&self, text: &str) -> usize {
        self.process.log().matches(text).count()
    }
}

/// A case under way.
pub(super) struct Stage {
    pub(super) plan: Plan,
    /// They go before the site does, in which their logs lie.
    pub(super) workers: Vec<Worker>,
    pub(super) site: Site,
    /// Faults so far.
    pub(super) faults: usize,
    /// What is to be said in the report.
    pub(super) notes: Vec<String>,
    /// How long a worker counts as alive without a sign of life.
    lease: Duration,
    since: Instant,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    pub(super) fn new(case: &'static str, site: Site, lease: Duration) -> Self {
        Stage {
            plan: Plan::of(case),
            site,
            workers: Vec::new(),
            faults: 0,
            notes: Vec::new(),
            lease,
            since: Instant::now(),
            _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Starts workers, each with variables of its own, and makes the module
    /// known to them.
    pub(super) async fn open(&mut self, variables: &[&[String]]) {
        for variables in variables {
            let mut args: Vec<String> = ["--concurrency", "40", "--queues", QUEUES]
                .map(str::to_owned)
                .into();
            args.push(format!("LOVAGE_WORKER__LEASE={}ms", self.lease.as_millis()));
            // Nothing that is to be counted may leave.
            args.push("LOVAGE_RETENTION__COUNT=1000000000".into());
            args.extend_from_slice(variables);
            let process = self.start(&args);
            self.workers.push(Worker { process, args });
        }
        self.working().await;
        self.site.push(MODULE, &module()).await;
        self.since = Instant::now();
    }

    /// Waits until all workers have started.
    async fn working(&mut self) {
        for worker in &mut self.workers {
            worker.process.says(" working ").await;
        }
    }

    fn start(&self, args: &[String]) -> Process {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.site.spawn("worker", &args)
    }

    /// `kill -9`, and another in its place.
    pub(super) fn replace(&mut self, which: usize) {
        self.workers[which].process.kill();
        self.workers[which].process = self.start(&self.workers[which].args);
        self.faults += 1;
    }

    /// So many times a worker is killed, and after every fourth of them the Redis, if it is
    /// to be restarted at all.
    pub(super) async fn strike(&mut self, kills: usize, restarts: usize) {
        for round in 0..self.plan.rounds(kills + restarts) {
            self.plan.moment(200..=1000).await;
            if restarts > 0 && round % 5 == 4 {
                // One that is only starting ends where it finds no broker, as it should.
                self.working().await;
                self.site.server().kill();
                self.plan.moment(10..=1000).await;
                tokio::task::block_in_place(|| self.site.server().restart());
                self.faults += 1;
            } else {
                let which = self.plan.pick(self.workers.len());
                self.replace(which);
            }
        }
    }

    /// Starts a producer at the broker's own address.
    pub(super) async fn produce(&mut self) -> Load {
        let client = self.site.client().await.clone();
        self.produce_by(client)
    }

    /// Starts a producer. It makes more jobs than any case has the time for.
    pub(super) fn produce_by(&mut self, client: Client) -> Load {
        let most = self.plan.rounds(20_000);
        Load::start(client, self.plan.branch(), most)
    }

    /// Waits until so many jobs have been enqueued: there is a load.
    pub(super) async fn loaded(&self, load: &Load, jobs: usize) {
        until("there is a load", || async {
            (load.accepted() >= jobs).then_some(())
        })
        .await;
    }

    /// What a worker runs just now, by the broker's word.
    pub(super) async fn held(&self, worker: WorkerId) -> Vec<Job> {
        let jobs = self.site.list(State::Running).await;
        let of = |job: &Job| job.worker == Some(worker);
        jobs.into_iter().filter(of).collect()
    }

    /// Waits until all has ended that was accepted, and counts it. Extra runs
    /// are allowed where a worker was killed, frozen or cut off.
    pub(super) async fn close(mut self, produced: Produced, extra_allowed: bool) {
        self.quiet().await;
        let client = self.site.client().await;
        let broker = client.broker();
        let mut audit = Audit::of(&**broker, client.tenant(), &produced.jobs).await;
        if audit.extra > 0 && !extra_allowed {
            let said = format!("{} extra runs, and no worker was away", audit.extra);
            audit.odd.push(said);
        }
        if produced.repeated > 0 {
            self.notes
                .push(format!("{} jobs enqueued again", produced.repeated));
        }
        self.account(audit);
    }

    /// Tells of a count, and fails where anything is wrong.
    pub(super) fn account(mut self, mut audit: Audit) {
        audit.odd.extend(self.complaints());
        let row = Row {
            case: self.plan.case,
            seed: self.plan.seed,
            jobs: audit.jobs,
            faults: self.faults,
            lost: audit.lost.len(),
            twice: audit.twice.len(),
            extra: audit.extra,
            seen: audit.seen,
            given_back: audit.given_back,
            seconds: self.since.elapsed().as_secs_f64(),
            notes: self.notes.join(", "),
        };
        row.keep();
        let problems = audit.problems();
        assert!(problems.is_empty(), "{}:\n{problems}", self.plan.case);
    }

    /// Tells of a case that counts by itself, by what was lost, done twice, and
    /// otherwise wrong.
    pub(super) fn tell(mut self, jobs: usize, lost: &[String], twice: &[String], odd: &[String]) {
        let row = Row {
            case: self.plan.case,
            seed: self.plan.seed,
            jobs,
            faults: self.faults,
            lost: lost.len(),
            twice: twice.len(),
            extra: 0,
            seen: 0,
            given_back: 0,
            seconds: self.since.elapsed().as_secs_f64(),
            notes: self.notes.join(", "),
        };
        row.keep();
        let complaints = self.complaints();
        let problems = [lost, twice, odd, &complaints].concat();
        assert!(problems.is_empty(), "{}:\n{problems:#?}", self.plan.case);
    }

    /// Waits until no job waits or runs, or for as long as that may take.
    async fn quiet(&self) {
        let client = self.site.client().await;
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            // A broker that was just disturbed may not answer at once.
            if let Ok(counts) = client.broker().counts(client.tenant()).await {
                let open = |it: &lovage_queue::broker::QueueCounts| {
                    it.scheduled + it.available + it.running + it.retryable
                };
                if counts.iter().map(open).sum::<u64>() == 0 {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Errors that workers speak of and that no fault explains, and workers
    /// that are gone.
    fn complaints(&mut self) -> Vec<String> {
        let mut complaints = Vec::new();
        for worker in &mut self.workers {
            if !worker.process.is_alive() {
                complaints.push("a worker ended by itself".to_owned());
            }
            let log = worker.process.log();
            let error = |line: &&str| line.contains(" ERROR ") || line.contains("panicked at");
            let expected = |line: &&str| EXPECTED.iter().any(|it| line.contains(it));
            let lines = log.lines().filter(error).filter(|line| !expected(line));
            complaints.extend(lines.map(|line| format!("a worker says: {line}")));
        }
        complaints
    }
}
