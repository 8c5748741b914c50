//! What a child can and cannot do.

use std::fs::File;

use lovage::sandbox::probe::probe;
use rustix::io::FdFlags;

use super::program;

/// `EPERM` is seccomp's word, `EACCES` that of landlock.
const DENIED: [Option<i32>; 2] = [Some(1), Some(13)];

#[test]
fn a_child_has_nothing_and_can_do_nothing_but_talk() {
    // What whoever started us forgot to close reaches us, and must not reach a child.
    let leaked = File::open("/etc/hostname").unwrap();
    rustix::io::fcntl_setfd(&leaked, FdFlags::empty()).unwrap();
    let probed = probe(&program()).unwrap();
    assert_eq!(probed.lacks, [] as [String; 0], "this kernel has all of it");
    assert_eq!(probed.descriptors, 0);
    assert_eq!(
        probed.variables,
        ["MIMALLOC_ARENA_EAGER_COMMIT"],
        "a constant"
    );
    assert!(probed.threads, "it may have threads");
    assert!(probed.tried.len() > 10);
    for (what, error) in &probed.tried {
        assert!(DENIED.contains(error), "it could {what}: {error:?}");
    }
}
