//! The thread that advances the epoch: at each tick every running guest comes
//! back to the executor once, and is asked whether it may go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// Ticks without a guest after which the thread goes to sleep, so that an idle
/// worker does not wake a thousand times a second.
const LINGER: u32 = 500;

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
}

/// Owns the thread; it ends within a tick of this being dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    /// Starts to call `tick` every `period`. It is an OS thread, not a task:
    /// guests may occupy every thread of the executor.
    pub(crate) fn start(
        period: Duration,
        tick: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let handle = thread::Builder::new()
            .name("lovage-epoch".into())
            .spawn(move || turn(&theirs, period, tick))?;
        Ok(Ticker {
            shared,
            thread: handle.thread().clone(),
        })
    }

    /// Ticks are needed for as long as the answer lives.
    pub(crate) fn working(&self) -> Working<'_> {
        // Sequentially consistent with `turn`: either this sees `parked`, or
        // the thread sees that something runs before it parks.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Working(self)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// One guest that runs.
#[derive(Debug)]
pub(crate) struct Working<'a>(&'a Ticker);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.shared.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn turn(shared: &Shared, period: Duration, tick: impl Fn()) {
    let stopped = || shared.stop.load(Ordering::SeqCst);
    let idle = || shared.running.load(Ordering::SeqCst) == 0;
    let mut quiet = 0;
    while !stopped() {
        thread::sleep(period);
        tick();
        quiet = if idle() { quiet + 1 } else { 0 };
        if quiet >= LINGER {
            shared.parked.store(true, Ordering::SeqCst);
            while idle() && !stopped() {
                thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
            quiet = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn it_parks_when_idle_and_wakes_for_work() {
        let (sender, ticks) = mpsc::channel();
        let ticker = Ticker::start(Duration::from_micros(10), move || {
            let _ = sender.send(());
        })
        .unwrap();
        let patience = Duration::from_secs(10);
        // It parks: a long silence comes at last.
        while ticks.recv_timeout(Duration::from_millis(300)).is_ok() {}
        let working = ticker.working();
        ticks.recv_timeout(patience).expect("it ticks again");
        drop(working);
        drop(ticker);
        // The sender is dropped with the thread.
        while ticks.recv_timeout(patience).is_ok() {}
        assert_eq!(
            ticks.recv_timeout(patience),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
    }
}
