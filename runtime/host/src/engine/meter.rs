//! CPU time of guests: of the thread that polls one, while it does.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A reading that is no older is that of now. To read the clock is a call of the kernel,
/// and most attempts are over within microseconds: so it is read once for the end of one
/// and the beginning of the next, to which what lies between them is counted.
const RECENT: Duration = Duration::from_micros(20);

thread_local! {
    /// When this thread's time was read last, and what it was.
    static LAST: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
    /// What guests took of this thread's time so far.
    static TAKEN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Does `work`, and measures its CPU time. What it waits for costs nothing.
pub async fn metered<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let (mut work, mut spent) = (pin!(work), Duration::ZERO);
    let answer = poll_fn(|context| {
        let since = begin();
        let poll = work.as_mut().poll(context);
        let took = end().saturating_sub(since);
        TAKEN.set(TAKEN.get() + took);
        spent += took;
        poll
    });
    (answer.await, spent)
}

/// CPU time that guests took of the calling thread so far: whoever polls an attempt reads
/// from it what that took, and needs no clock of its own.
pub fn taken_here() -> Duration {
    TAKEN.get()
}

fn begin() -> Duration {
    match LAST.get() {
        Some((at, time)) if at.elapsed() < RECENT => time,
        _ => time_of_thread(),
    }
}

fn end() -> Duration {
    let time = time_of_thread();
    LAST.set(Some((Instant::now(), time)));
    time
}

fn time_of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn to_wait_costs_next_to_nothing() {
        let since = Instant::now();
        let ((), spent) = metered(tokio::time::sleep(Duration::from_millis(100))).await;
        assert!(since.elapsed() >= Duration::from_millis(100));
        assert!(spent < Duration::from_millis(50), "{spent:?}");
    }

    #[tokio::test]
    async fn two_that_take_turns_are_told_apart() {
        let spin = async |span: Duration| {
            for _ in 0..4 {
                let since = time_of_thread();
                while time_of_thread() - since < span {}
                tokio::task::yield_now().await;
            }
        };
        let [long, short] = [10, 1].map(Duration::from_millis);
        let both = tokio::join!(metered(spin(long)), metered(spin(short)));
        let (((), long), ((), short)) = both;
        assert!(long >= Duration::from_millis(40), "{long:?}");
        assert!(short >= Duration::from_millis(4), "{short:?}");
        // Where a host takes its cores away, that is counted to whoever has them: to both.
        assert!(short * 2 < long, "{short:?} and {long:?}");
    }
}
