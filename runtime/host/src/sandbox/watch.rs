//! The watch over one child: its memory, whether it answers, whether its attempts end, and
//! whether it is of any use.

use std::time::Duration;

use super::runner::Runner;
use crate::engine::outcome::bytes;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long it may be silent while something runs there.
const SILENCE: Duration = Duration::from_secs(10);

/// Returns once the child has to end, and why; without a reason where it is only idle.
pub(super) async fn over(runner: &Runner) -> Option<String> {
    loop {
        tokio::time::sleep(LOOK).await;
        let most = runner.settings.memory;
        if resident(runner.pid).is_some_and(|it| it > most) {
            let most = bytes(most);
            return Some(format!("was killed: it held more than {most} of memory"));
        }
        if runner.ask().is_some_and(|it| it > SILENCE) {
            return Some(format!("was killed: it said nothing for {SILENCE:?}"));
        }
        if runner.is_late() {
            return Some("was killed: it did not end an attempt at its deadline".into());
        }
        let idle = runner.idle().map(|since| since.elapsed());
        if idle.is_some_and(|it| it > runner.settings.idle) && runner.shut() {
            return None;
        }
    }
}

/// Bytes of a process' memory that are not swapped out; `None` where it is gone.
fn resident(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn resident_memory_is_read() {
        let resident = super::resident(std::process::id()).unwrap();
        assert!((1 << 20..1 << 40).contains(&resident), "{resident}");
        assert_eq!(super::resident(u32::MAX), None);
    }
}
