//! Jobs with known ids, and a producer that repeats itself until it is heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lovage_queue::broker::{Broker, BrokerError, Enqueued};
use lovage_queue::client::Client;
use lovage_queue::job::{Conflict, Ending, JobId, Key, NewJob, State, Unique, Until, When};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;

use crate::fixtures::Guest;
use crate::support::guests::{ATTEMPT, FAILURE, fail, respond, sleep};

/// The module's name.
pub(super) const MODULE: &str = "chaos";
/// The queues that jobs go to, with the workers' weights.
pub(super) const QUEUES: &str = "default=2,other";
/// The producer waits while more jobs than that are available: a backlog says
/// nothing, and takes long to drain on a busy machine.
pub(super) const BACKLOG: u64 = 300;
/// How long a producer repeats itself before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a job is made to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Noop,
    /// Runs for some milliseconds.
    Short,
    /// Runs for a quarter of a second, so that it is in flight when something
    /// happens.
    Long,
    /// Fails once and is tried again at once, or after a wait.
    Fails,
    FailsAndWaits,
    /// Is scheduled for later.
    Scheduled,
    /// Fails for good.
    Hopeless,
}

use Kind::{Fails, FailsAndWaits, Hopeless, Long, Noop, Scheduled, Short};

/// Of twenty jobs.
const MIX: [Kind; 20] = [
    Noop,
    Noop,
    Noop,
    Noop,
    Noop,
    Noop,
    Noop,
    Short,
    Short,
    Short,
    Short,
    Long,
    Long,
    Fails,
    Fails,
    FailsAndWaits,
    Scheduled,
    Scheduled,
    Scheduled,
    Hopeless,
];

impl Kind {
    /// The state it ends in.
    pub(super) fn state(self) -> State {
        match self {
            Hopeless => State::Discarded,
            _ => State::Completed,
        }
    }

    /// How each of its attempts ends.
    pub(super) fn endings(self) -> &'static [Ending] {
        match self {
            Hopeless => &[Ending::Failed],
            Fails | FailsAndWaits => &[Ending::Failed, Ending::Completed],
            _ => &[Ending::Completed],
        }
    }
}

/// The module. A run counts itself in the job's checkpoint as it begins, which
/// the next one finds; the last one answers with the count. A run that cannot
/// save it goes uncounted, so this sees no run that was none.
pub(super) fn module() -> Vec<u8> {
    let arm = |kind: Kind, code: String| {
        let kind = kind as u8;
        format!("(if (i32.eq (local.get $kind) (i32.const {kind})) (then {code}))")
    };
    let once = |code: String| {
        format!(
            "(if (i32.eq (local.get $attempt) (i32.const 1)) (then {code} (return (i32.const 64))))"
        )
    };
    let code = format!(
        "(local $kind i32) (local $attempt i32) (local $runs i32)
        (local.set $kind (i32.load8_u (i32.add (local.get $input) (i32.const 3))))
        {ATTEMPT}
        (call $restore (i32.const 128))
        (if (i32.and (i32.eqz (i32.load8_u (i32.const 128))) (i32.load8_u (i32.const 132)))
          (then (local.set $runs (i32.load8_u (i32.load (i32.const 144))))))
        (local.set $runs (i32.add (local.get $runs) (i32.const 1)))
        (i32.store8 (i32.const 2040) (local.get $runs))
        (call $checkpoint (i32.const 2040) (i32.const 1) (i32.const 128))
        {}{}{}{}{}
        {}",
        arm(Short, sleep(5)),
        arm(Long, sleep(250)),
        arm(Fails, once(fail(1, 0))),
        arm(FailsAndWaits, once(fail(2, 150))),
        arm(Hopeless, once(fail(3, 0))),
        respond("(local.get $runs)"),
    );
    Guest::with_imports(&code).text(2000, FAILURE).build()
}

/// A job whose id is known before anybody else knows it.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) kind: Kind,
    pub(super) job: NewJob,
}

impl Planned {
    pub(super) fn new(client: &Client, kind: Kind) -> Self {
        let input = vec![0x81, 0xa1, b'n', kind as u8];
        let mut job = NewJob::new(JobId::new(client.partition()), MODULE, "go", input);
        // Workers die here in such numbers that a job may well be unlucky often.
        job.crash_limit = u8::MAX;
        Planned { kind, job }
    }

    /// The same with all terms that a job may have, none of which comes into force.
    pub(super) fn with_terms(mut self) -> Self {
        let own = self.job.id.to_string();
        self.job.key = Some(Key::idempotency(&own));
        self.job.unique = Some(Unique {
            key: Key::unique(&own),
            until: Until::Done,
            conflict: Conflict::Reject,
        });
        self.job.expiry = Some(When::In(Duration::from_secs(3600)));
        self.job.result_ttl = Some(Duration::from_secs(24 * 3600));
        self
    }

    pub(super) fn random(client: &Client, random: &mut StdRng) -> Self {
        let mut it = Self::new(client, MIX[random.random_range(0..MIX.len())]);
        it.job.queue = ["default", "other"][random.random_range(0..2)].into();
        it.job.lane = ["", "", "", "a", "b"][random.random_range(0..5)].into();
        it.job.priority = random.random_range(4..=6);
        if it.kind == Scheduled {
            it.job.eta = When::In(Duration::from_millis(random.random_range(50..1500)));
        }
        if random.random_ratio(1, 5) {
            it = it.with_terms();
        }
        it
    }
}

/// What a producer went through.
#[derive(Default)]
pub(super) struct Produced {
    /// All that the broker has accepted.
    pub(super) jobs: Vec<Planned>,
    /// Jobs that it had already when it was asked again.
    pub(super) repeated: usize,
    /// How often it had no room.
    pub(super) full: usize,
}

impl Produced {
    /// Enqueues jobs, over and over until the broker says that it has them.
    pub(super) async fn enqueue(&mut self, client: &Client, planned: Vec<Planned>) {
        let jobs: Vec<NewJob> = planned.iter().map(|it| it.job.clone()).collect();
        let since = Instant::now();
        let answers = loop {
            match client.broker().enqueue(client.tenant(), &jobs).await {
                Ok(answers) => break answers,
                Err(BrokerError::Full { .. }) => self.full += 1,
                Err(BrokerError::Unreachable { .. }) => {}
                Err(e) => panic!("an enqueue is answered: {e}"),
            }
            assert!(since.elapsed() < PATIENCE, "no enqueue is accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        self.repeated += answers.iter().filter(|it| **it == Enqueued::Exists).count();
        self.jobs.extend(planned);
    }
}

/// What one may know of a producer while it produces.
#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    accepted: AtomicUsize,
}

/// A producer that goes on until it is stopped, in moderation.
pub(super) struct Load {
    progress: Arc<Progress>,
    task: JoinHandle<Produced>,
}

impl Load {
    /// Starts one that enqueues at most so many jobs.
    pub(super) fn start(client: Client, random: StdRng, most: usize) -> Self {
        let progress = Arc::new(Progress::default());
        let task = tokio::spawn(produce(client, random, most, progress.clone()));
        Load { progress, task }
    }

    /// How many jobs it has enqueued so far.
    pub(super) fn accepted(&self) -> usize {
        self.progress.accepted.load(Ordering::SeqCst)
    }

    /// Stops it, once all that it has begun is accepted.
    pub(super) async fn stop(self) -> Produced {
        self.progress.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

async fn produce(
    client: Client,
    mut random: StdRng,
    most: usize,
    progress: Arc<Progress>,
) -> Produced {
    let mut produced = Produced::default();
    let stopped = || progress.stop.load(Ordering::SeqCst);
    while !stopped() && produced.jobs.len() < most {
        for _ in 0..10 {
            let size = random.random_range(1..=12);
            let batch = (0..size)
                .map(|_| Planned::random(&client, &mut random))
                .collect();
            produced.enqueue(&client, batch).await;
            progress
                .accepted
                .store(produced.jobs.len(), Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        while !stopped() && backlog(client.broker(), client.tenant()).await > BACKLOG {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    produced
}

/// How many jobs are available; none that one knows of while nobody says.
pub(super) async fn backlog(broker: &Arc<dyn Broker>, tenant: &str) -> u64 {
    let counts = broker.counts(tenant).await.unwrap_or_default();
    counts.iter().map(|queue| queue.available).sum()
}
