//! The threads that guests run on, and how attempts come to them.
//!
//! Most attempts are over within microseconds, at their first poll. So they wait in
//! one line, from which every thread takes the next as soon as it is done with the
//! one before; only what does not end at once becomes a task of its own. A task a
//! job, with a wake-up for each, would cost as much as the rest of the worker does.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

/// For how long attempts begin one after the other before tasks of the same thread, timers
/// and yielding guests, have their turn: for as long as these had before, within these
/// bounds. So however many guests yield, those that begin have half of the thread.
const TURN: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(20)];

type Attempt = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The threads.
pub(super) struct Guests {
    runtime: Option<Runtime>,
    line: Arc<Line>,
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
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("guest")
            .enable_time()
            // A guest yields every tick of the epoch: look at new jobs and
            // timers between any two of them.
            .global_queue_interval(2)
            .event_interval(2)
            .build()?;
        let waiting = Mutex::default();
        Ok(Guests {
            runtime: Some(runtime),
            line: Arc::new(Line { threads, waiting }),
        })
    }

    /// Begins attempts, in this order, as threads become free.
    pub(super) fn run(&self, attempts: impl Iterator<Item = Attempt>) {
        let Some(runtime) = &self.runtime else { return };
        for _ in 0..self.line.join(attempts) {
            runtime.spawn(serve(self.line.clone()));
        }
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        // Theirs is the worker's session, which holds them in turn.
        self.line.lock().attempts.clear();
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

/// A runner: begins what is in line until there is nothing.
async fn serve(line: Arc<Line>) {
    let (mut since, mut turn) = (Instant::now(), TURN[0]);
    while let Some(attempt) = line.next() {
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
        let poll = AssertUnwindSafe(|| attempt.as_mut().poll(context));
        Poll::Ready(catch_unwind(poll).unwrap_or(Poll::Ready(())))
    });
    if first.await.is_pending() {
        tokio::spawn(attempt);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::{Notify, mpsc};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn spin(span: Duration) {
        let since = Instant::now();
        while since.elapsed() < span {}
    }

    #[tokio::test]
    async fn what_yields_again_and_again_leaves_half_of_the_thread_to_what_begins() {
        let guests = Guests::start(1).unwrap();
        let rounds = Arc::new(AtomicU32::new(0));
        let (tell, mut told) = mpsc::unbounded_channel();
        guests.run((0..8).map(|_| -> Attempt {
            let rounds = rounds.clone();
            Box::pin(async move {
                loop {
                    spin(Duration::from_millis(2));
                    rounds.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        }));
        while rounds.load(Ordering::Relaxed) < 16 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let before = rounds.load(Ordering::Relaxed);
        guests.run((0..1_000).map(|n| -> Attempt {
            let tell = tell.clone();
            Box::pin(async move {
                spin(Duration::from_micros(50));
                let _ = tell.send(n);
            })
        }));
        for _ in 0..1_000 {
            let told = tokio::time::timeout(PATIENCE, told.recv()).await;
            told.unwrap().unwrap();
        }
        // 50 ms of theirs beside as much of the others', and not beside half a second.
        let others = rounds.load(Ordering::Relaxed) - before;
        assert!(others < 120, "{others} rounds of 2 ms");
    }

    #[tokio::test]
    async fn what_waits_or_panics_holds_nobody_up() {
        let guests = Guests::start(1).unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let gate = Arc::new(Notify::new());
        let attempt = |n: u32| -> Attempt {
            let (tell, gate) = (tell.clone(), gate.clone());
            Box::pin(async move {
                match n {
                    0 => gate.notified().await,
                    1 => panic!("as a test of panics"),
                    _ => {}
                }
                tell.send(n).unwrap();
            })
        };
        let mut next = async || {
            let told = tokio::time::timeout(PATIENCE, told.recv()).await;
            told.unwrap().unwrap()
        };
        guests.run((0..200).map(attempt));
        for n in 2..200 {
            assert_eq!(next().await, n);
        }
        gate.notify_one();
        assert_eq!(next().await, 0);
        // And again, once all runners have gone.
        guests.run(std::iter::once(attempt(7)));
        assert_eq!(next().await, 7);
    }
}
