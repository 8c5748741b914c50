//! A child process locks itself in, before it reads its first byte.
//!
//! In this order: it closes what it inherited, bounds what it may use, gives up the file
//! system and the network (landlock), and then nearly all system calls (seccomp). There is
//! no way back from any of it, for this thread and for those that it starts; so it is done
//! while there is one.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, getpid, getrlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of memory that it may write to. Address space is not bounded: the engine
    /// reserves terabytes of it.
    pub(super) memory: Option<u64>,
    /// Seconds of processor time.
    pub(super) cpu: Option<u64>,
    /// Descriptors.
    pub(super) files: u64,
}

/// The first descriptor that is not one of the three that every process has.
const FIRST: RawFd = 3;

/// Locks this process in. Answers what the kernel lacks for it.
///
/// # Errors
/// Bounds that cannot be set.
pub(super) fn lock_in(bounds: Bounds) -> io::Result<Vec<String>> {
    limit(Resource::Core, 0)?;
    if let Some(bytes) = bounds.memory {
        limit(Resource::Data, bytes)?;
    }
    limit(Resource::Nofile, bounds.files)?;
    if let Some(seconds) = bounds.cpu {
        limit(Resource::Cpu, seconds)?;
    }
    let mut lacks = Vec::new();
    match no_files() {
        Ok(RulesetStatus::NotEnforced) => lacks.push("landlock is not there".to_owned()),
        // Of an older kernel, which knows fewer kinds of access: seccomp denies all of them.
        Ok(RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced) => {}
        Err(e) => lacks.push(format!("landlock: {e}")),
    }
    match filters() {
        Ok(filters) => {
            for filter in &filters {
                if let Err(e) = seccompiler::apply_filter(filter) {
                    lacks.push(format!("seccomp: {e}"));
                    break;
                }
            }
        }
        Err(e) => lacks.push(format!("seccomp: {e}")),
    }
    Ok(lacks)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    // What is lower already cannot be raised, and need not be.
    let most = getrlimit(resource).maximum.map_or(most, |it| it.min(most));
    let (current, maximum) = (Some(most), Some(most));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}

/// Closes all descriptors but stdin, stdout and stderr. Only for the very begin of a
/// process: nobody may own one yet.
#[expect(
    unsafe_code,
    reason = "there is no other way to close what somebody else opened before us"
)]
pub(super) fn close_inherited() {
    let listed: Option<Vec<RawFd>> = std::fs::read_dir("/proc/self/fd").ok().map(|entries| {
        let names = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
        names.collect()
    });
    for descriptor in listed.unwrap_or_else(|| (FIRST..1024).collect()) {
        if descriptor >= FIRST {
            // SAFETY: closing is sound where nobody in this process owns the descriptor.
            // This is called first of all in `main`, before anything is opened; the
            // listing's own is closed already, and to close it again is an error without effect.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Gives up all of the file system, the network, and signals to others.
fn no_files() -> Result<RulesetStatus, RulesetError> {
    let all = ABI::V6;
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(all))?
        .handle_access(AccessNet::from_all(all))?
        .scope(Scope::from_all(all))?
        .create()?;
    // No rule is added: what is handled and not allowed is denied.
    Ok(rules.restrict_self()?.ruleset)
}

/// Calls that the allocator, threads, clocks and the engine make, whatever their arguments.
/// None opens, connects, executes, or reaches another process.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // The image of a module's memory.
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_futex,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_membarrier,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // To take more away from itself is all that it is good for.
    libc::SYS_seccomp,
];

/// Calls that are let through with these values of an argument only: its place, and they.
fn conditional() -> Vec<(i64, u8, Vec<u64>)> {
    let me = u64::from(getpid().as_raw_nonzero().get().unsigned_abs());
    vec![
        // Its own signals, which is how a process aborts.
        (libc::SYS_tgkill, 0, vec![me]),
        (
            libc::SYS_prctl,
            0,
            vec![libc::PR_SET_NAME as u64, libc::PR_SET_NO_NEW_PRIVS as u64],
        ),
        (
            libc::SYS_fcntl,
            1,
            vec![
                libc::F_GETFD as u64,
                libc::F_SETFD as u64,
                libc::F_GETFL as u64,
                libc::F_DUPFD_CLOEXEC as u64,
                libc::F_ADD_SEALS as u64,
                libc::F_GET_SEALS as u64,
            ],
        ),
        // Which pages of its own memory were written.
        (libc::SYS_ioctl, 1, vec![PAGEMAP_SCAN]),
    ]
}

/// Of `linux/fs.h`: `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u64 = 0xc060_6610;
/// What a `clone` must ask for: a thread of this process, and no process.
const THREAD: u64 = libc::CLONE_THREAD as u64;

/// The filters, in the order in which they are installed.
fn filters() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let is = |at: u8, value: u64| {
        SeccompCondition::new(at, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().map(|call| (*call, Vec::new())).collect();
    for (call, at, values) in conditional() {
        let rule = |value: u64| SeccompRule::new(vec![is(at, value)?]);
        let some = values.into_iter().map(rule).collect::<Result<_, _>>()?;
        rules.insert(call, some);
    }
    let thread = SeccompCmpOp::MaskedEq(THREAD);
    let thread = SeccompCondition::new(0, SeccompCmpArgLen::Qword, thread, THREAD)?;
    // To be asked for limits, and not told any: the new ones lie at no address.
    let asked = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(
        libc::SYS_prlimit64,
        vec![SeccompRule::new(vec![asked, is(0, 0)?])?],
    );
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![thread])?]);
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let calls = SeccompFilter::new(rules, denied, SeccompAction::Allow, arch)?;
    // What `clone3` asks for lies in memory, where no filter sees it: whoever hears that the
    // kernel has none asks by `clone`. Of two filters that answer with an error, the one
    // that was installed last is heard.
    let clone3 = [(libc::SYS_clone3, Vec::new())].into();
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let threads = SeccompFilter::new(clone3, SeccompAction::Allow, absent, arch)?;
    Ok([calls.try_into()?, threads.try_into()?])
}
