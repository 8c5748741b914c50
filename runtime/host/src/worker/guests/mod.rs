//! The threads that guests run on, and how attempts come to them.
//!
//! Most attempts are over within microseconds, at their first poll. So they wait in
//! one line, from which every thread takes the next as soon as it is done with the
//! one before; only what does not end at once becomes a task of its own. A task a
//! job, with a wake-up for each, would cost as much as the rest of the worker does.
//!
//! Whatever turns out to take long goes on on **other threads**, as many, which give way to
//! these; and the next attempts at the same task begin there (`slow`). For there is work
//! that nobody can interrupt, to fill a memory or to copy a result: it holds up no
//! attempt but such as are slow themselves.

mod slow;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lovage_queue::job::Job;
use tokio::runtime::{Builder, Handle, Runtime};

use self::slow::{Kind, SLOW, Slow};
use crate::cores;
use crate::engine::taken_here;

/// For how long attempts begin one after the other before tasks of the same thread, timers
/// and yielding guests, have their turn: for as long as these had before, within these
/// bounds. So however many guests yield, those that begin have half of the thread.
const TURN: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(20)];

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The threads.
pub(super) struct Guests {
    /// Those that attempts begin on, and those of slow ones.
    runtimes: [Option<Runtime>; 2],
    threads: Arc<Threads>,
}

/// The way to the threads, which keeps none of them.
pub(super) struct Threads {
    line: Line,
    slow: Slow,
    begin: Handle,
    long: Handle,
}

/// An attempt, and what it took so far.
struct Attempt {
    work: Work,
    kind: Kind,
    taken: Duration,
    threads: Arc<Threads>,
}

/// Attempts that have not begun, and who takes care of them.
struct Line {
    threads: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    attempts: VecDeque<Attempt>,
    /// Runners that have not seen the line empty.
    runners: usize,
}

impl Guests {
    pub(super) fn start(threads: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let begin = runtime(threads, "guest", || ())?;
        let long = runtime(threads, "long-guest", cores::give_way)?;
        let line = Line {
            threads,
            waiting: Mutex::default(),
        };
        let threads = Arc::new(Threads {
            line,
            slow: Slow::default(),
            begin: begin.handle().clone(),
            long: long.handle().clone(),
        });
        Ok(Guests {
            runtimes: [Some(begin), Some(long)],
            threads,
        })
    }

    pub(super) fn threads(&self) -> &Arc<Threads> {
        &self.threads
    }
}

fn runtime(threads: usize, name: &str, begin: fn()) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .on_thread_start(begin)
        .enable_time()
        // A guest yields every tick of the epoch: look at new jobs and
        // timers between any two of them.
        .global_queue_interval(2)
        .event_interval(2)
        .build()
}

impl Threads {
    /// What a job is to them; one that cannot be read is like any other such.
    pub(super) fn kind(&self, job: Option<&Job>) -> Kind {
        let task = job.map(|it| (&it.tenant, &it.call.module, &it.call.task));
        self.slow.kind(task)
    }

    /// Begins attempts, in this order, as threads become free.
    pub(super) fn run<F>(self: &Arc<Self>, attempts: impl Iterator<Item = (Kind, F)>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let attempts = attempts.map(|(kind, work)| self.attempt(kind, work));
        let quick = attempts.filter_map(|attempt| match self.slow.has(attempt.kind) {
            true => {
                self.long.spawn(attempt);
                None
            }
            false => Some(attempt),
        });
        for _ in 0..self.line.join(quick) {
            self.begin.spawn(serve(self.clone()));
        }
    }

    /// Begins an attempt that is not in line: it has waited elsewhere.
    pub(super) fn spawn<F>(self: &Arc<Self>, kind: Kind, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let attempt = self.attempt(kind, work);
        match self.slow.has(kind) {
            true => self.long.spawn(attempt),
            false => self.begin.spawn(go_on(attempt)),
        };
    }

    fn attempt<F>(self: &Arc<Self>, kind: Kind, work: F) -> Attempt
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Attempt {
            work: Box::pin(work),
            kind,
            taken: Duration::ZERO,
            threads: self.clone(),
        }
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        for runtime in self.runtimes.iter_mut().filter_map(Option::take) {
            runtime.shutdown_background();
        }
        // Theirs is the worker's session, which holds them in turn.
        self.threads.line.lock().attempts.clear();
    }
}

impl Line {
    /// How many more runners the newcomers need.
    fn join(&self, attempts: impl Iterator<Item = Attempt>) -> usize {
        let mut waiting = self.lock();
        waiting.attempts.extend(attempts);
        let more = (self.threads - waiting.runners).min(waiting.attempts.len());
        waiting.runners += more;
        more
    }

    /// The next in line; a runner that finds none has to end.
    fn next(&self) -> Option<Attempt> {
        let mut waiting = self.lock();
        let next = waiting.attempts.pop_front();
        if next.is_none() {
            waiting.runners -= 1;
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Attempt {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let before = taken_here();
        let poll = self.work.as_mut().poll(context);
        let was_slow = self.is_slow();
        self.taken += taken_here() - before;
        let is_slow = self.is_slow();
        if is_slow != was_slow || (poll.is_ready() && !is_slow) {
            self.threads.slow.learn(self.kind, is_slow);
        }
        poll
    }
}

impl Attempt {
    fn is_slow(&self) -> bool {
        self.taken > SLOW
    }
}

/// A runner: begins what is in line until there is nothing.
async fn serve(threads: Arc<Threads>) {
    let (mut since, mut turn) = (Instant::now(), TURN[0]);
    while let Some(attempt) = threads.line.next() {
        begin(attempt).await;
        if since.elapsed() >= turn {
            let left = Instant::now();
            tokio::task::yield_now().await;
            since = Instant::now();
            turn = (since - left).clamp(TURN[0], TURN[1]);
        }
    }
}

/// Polls an attempt for the first time. If it is not over then, it goes on as a task of
/// its own.
async fn begin(mut attempt: Attempt) {
    // A panic must not take the runner with it. The attempt gives its job back when
    // it is dropped.
    let first = poll_fn(|context| {
        let poll = AssertUnwindSafe(|| Pin::new(&mut attempt).poll(context));
        Poll::Ready(catch_unwind(poll).unwrap_or(Poll::Ready(())))
    });
    if first.await.is_pending() {
        tokio::spawn(go_on(attempt));
    }
}

/// Leads an attempt to its end here, or moves it to the threads of slow ones.
async fn go_on(attempt: Attempt) {
    let mut here = Some(attempt);
    let moves = poll_fn(|context| {
        let Some(attempt) = &mut here else {
            return Poll::Ready(None);
        };
        if !attempt.is_slow() && Pin::new(&mut *attempt).poll(context).is_ready() {
            return Poll::Ready(None);
        }
        match here.take_if(|it| it.is_slow()) {
            Some(slow) => Poll::Ready(Some(slow)),
            None => Poll::Pending,
        }
    });
    if let Some(attempt) = moves.await {
        attempt.threads.long.clone().spawn(attempt);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::time::{ClockId, clock_gettime};
    use tokio::sync::{Notify, mpsc};

    use super::*;
    use crate::engine::metered;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn run<F>(guests: &Guests, attempts: impl Iterator<Item = F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let kind = guests.threads.kind(None);
        guests.threads.run(attempts.map(|it| (kind, it)));
    }

    fn spin(span: Duration) {
        let since = Instant::now();
        while since.elapsed() < span {}
    }

    /// Takes the processor for longer than a quick attempt does, also on a machine that is
    /// busy with others.
    fn toil() {
        let now = || clock_gettime(ClockId::ThreadCPUTime);
        let since = now();
        while Duration::try_from(now() - since).is_ok_and(|it| it < 2 * SLOW) {}
    }

    #[tokio::test]
    async fn what_yields_again_and_again_leaves_half_of_the_thread_to_what_begins() {
        let guests = Guests::start(1).unwrap();
        let rounds = Arc::new(AtomicU32::new(0));
        let (tell, mut told) = mpsc::unbounded_channel();
        run(
            &guests,
            (0..8).map(|_| {
                let rounds = rounds.clone();
                async move {
                    loop {
                        spin(Duration::from_millis(2));
                        rounds.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                }
            }),
        );
        while rounds.load(Ordering::Relaxed) < 16 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // They look themselves: whoever listens to them may be late.
        run(
            &guests,
            (0..1_000).map(|_| {
                let (tell, rounds) = (tell.clone(), rounds.clone());
                async move {
                    spin(Duration::from_micros(50));
                    let _ = tell.send(rounds.load(Ordering::Relaxed));
                }
            }),
        );
        let mut seen = Vec::new();
        for _ in 0..1_000 {
            let told = tokio::time::timeout(PATIENCE, told.recv()).await;
            seen.push(told.unwrap().unwrap());
        }
        // 50 ms of theirs beside as much of the others', and not beside half a second.
        let others = seen[seen.len() - 1] - seen[0];
        assert!(others < 120, "{others} rounds of 2 ms");
    }

    #[tokio::test]
    async fn what_was_slow_once_begins_where_it_holds_up_nobody() {
        let guests = Guests::start(1).unwrap();
        let threads = guests.threads();
        let [slow, quick] = ["slow", "quick"].map(|task| threads.slow.kind(task));
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut next = async || {
            let told = tokio::time::timeout(PATIENCE, told.recv()).await;
            told.unwrap().unwrap()
        };
        let say = |word: &'static str| {
            let tell = tell.clone();
            async move { tell.send(word).unwrap() }
        };
        threads.spawn(slow, async { metered(async { toil() }).await.0 });
        // What it took is known only after its poll.
        let known = async {
            while !threads.slow.has(slow) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.unwrap();
        // It takes its thread, and leaves it only once the quick one has been there.
        let gate = Arc::new(AtomicU32::new(0));
        let (said, open) = (say("slow"), gate.clone());
        let blocks = async move {
            let since = Instant::now();
            while open.load(Ordering::Relaxed) == 0 && since.elapsed() < PATIENCE {}
            said.await;
        };
        threads.run(std::iter::once((slow, blocks)));
        threads.run(std::iter::once((quick, say("quick"))));
        assert_eq!(next().await, "quick");
        gate.store(1, Ordering::Relaxed);
        assert_eq!(next().await, "slow");
    }

    #[tokio::test]
    async fn what_turns_out_to_be_slow_moves() {
        let guests = Guests::start(1).unwrap();
        let threads = guests.threads();
        let (tell, mut told) = mpsc::unbounded_channel();
        let name = || std::thread::current().name().map(str::to_owned);
        threads.spawn(threads.slow.kind("task"), async move {
            metered(async {
                for _ in 0..3 {
                    tell.send(name()).unwrap();
                    toil();
                    tokio::task::yield_now().await;
                }
            })
            .await;
        });
        for thread in ["guest", "long-guest", "long-guest"] {
            let told = tokio::time::timeout(PATIENCE, told.recv()).await;
            assert_eq!(told.unwrap().unwrap().as_deref(), Some(thread));
        }
    }

    #[tokio::test]
    async fn what_waits_or_panics_holds_nobody_up() {
        let guests = Guests::start(1).unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let gate = Arc::new(Notify::new());
        let attempt = |n: u32| {
            let (tell, gate) = (tell.clone(), gate.clone());
            async move {
                match n {
                    0 => gate.notified().await,
                    1 => panic!("as a test of panics"),
                    _ => {}
                }
                tell.send(n).unwrap();
            }
        };
        let mut next = async || {
            let told = tokio::time::timeout(PATIENCE, told.recv()).await;
            told.unwrap().unwrap()
        };
        run(&guests, (0..200).map(attempt));
        for n in 2..200 {
            assert_eq!(next().await, n);
        }
        gate.notify_one();
        assert_eq!(next().await, 0);
        // And again, once all runners have gone.
        run(&guests, std::iter::once(attempt(7)));
        assert_eq!(next().await, 7);
    }
}
