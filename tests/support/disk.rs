//! A disk of a test's own, to be full or read-only.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Set in the process that runs in a namespace of its own.
const APART: &str = "SUITE_APART";

/// Whether this process may mount disks that nobody else sees and that go with
/// it. If not, runs the test of this name again in one that may, and returns
/// false once it has passed.
pub(crate) fn apart(test: &str) -> bool {
    if std::env::var_os(APART).is_some() {
        return true;
    }
    let mut again = Command::new("unshare");
    // Who is no root becomes one of a user namespace.
    again.args(["--map-root-user", "--mount"]);
    again
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(APART, "1");
    let done = again
        .output()
        .expect("this test needs `unshare`: apt-get install util-linux");
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "`{test}` in a namespace of its own: {said}"
    );
    assert!(
        said.contains("1 passed"),
        "there is no test `{test}`: {said}"
    );
    false
}

/// A small disk.
pub(crate) struct Disk {
    dir: TempDir,
}

impl Disk {
    /// Mounts one of so many KiB.
    pub(crate) fn mount(kib: usize) -> Self {
        let disk = Disk {
            dir: tempfile::tempdir().unwrap(),
        };
        let size = format!("size={kib}k");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(disk.path()));
        disk
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Fills it up but for so many KiB.
    pub(crate) fn fill(&self, but: usize) {
        let mut ballast = std::fs::File::create(self.ballast()).unwrap();
        let mut written = 0;
        while ballast.write_all(&[1; 1024]).is_ok() {
            written += 1024;
        }
        let kept = written - 1024 * but;
        ballast.set_len(kept as u64).unwrap();
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    pub(crate) fn make_read_only(&self) {
        run(Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(self.path()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is left of it goes with the namespace.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {done:?}");
}
