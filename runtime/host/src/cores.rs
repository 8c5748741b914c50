//! How threads share the processor's cores with others.

use std::mem::size_of;

/// How long a thread that gives way runs at a time, where nobody else wants the core: in
/// nanoseconds. The kernel lets a thread that wakes up, and asks for shorter slices as all
/// do by default, interrupt such a one at once (EEVDF, Linux 6.12; older ones go by what a
/// thread has had).
const SLICE: u64 = 20_000_000;
/// By how much it is nicer than the thread that it was: where others want all of a core, a
/// tenth of it is left to it. Shares of tenants are none of the kernel's business: what
/// they take is counted, and whoever has had more waits in the queue.
const NICER: i32 = 10;
const NICEST: i32 = 19;

/// Lets other threads that wake up go before the calling one and those that it starts.
#[expect(
    unsafe_code,
    reason = "the library of system calls has no safe form of this one"
)]
pub(crate) fn give_way() {
    // SAFETY: a structure of numbers may be all zeros. The kernel writes and reads no more of
    // it than it is told to, and keeps none. Its refusal changes nothing.
    unsafe {
        let mut attributes: libc::sched_attr = std::mem::zeroed();
        let size = size_of::<libc::sched_attr>() as u32;
        let known = libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) == 0;
        // Of a thread with a policy of another kind it would be something else.
        if known && attributes.sched_policy == libc::SCHED_OTHER as u32 {
            attributes.sched_runtime = SLICE;
            attributes.sched_nice = (attributes.sched_nice + NICER).min(NICEST);
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_asks_for_less_in_longer_slices_and_hands_that_on() {
        // A normal thread's priority is 120 and how nice it is.
        let of_thread = |what: &str| {
            let text = std::fs::read_to_string("/proc/thread-self/sched").ok()?;
            let line = text.lines().find(|it| it.starts_with(what))?;
            line.rsplit(' ').next()?.parse::<i64>().ok()
        };
        let look = move || (of_thread("prio"), of_thread("se.slice"));
        let before = look();
        let after = std::thread::spawn(move || {
            give_way();
            std::thread::spawn(look).join().unwrap()
        });
        // A kernel that tells nothing of it tells nothing of it then.
        let nicest = i64::from(120 + NICEST);
        let wanted = before.0.map(|it| (it + i64::from(NICER)).min(nicest));
        assert_eq!(
            after.join().unwrap(),
            (wanted, before.1.map(|_| SLICE as i64))
        );
        assert_eq!(look(), before);
    }
}
