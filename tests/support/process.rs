//! Processes that end with the test, however that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use super::until;

/// A shell that becomes the program and leaves a watcher behind, which kills the
/// program when the other end of its stdin closes: so also when the test is
/// killed. The program has the process id that the shell had.
const HOLD: &str =
    r#"exec 3<&0; (read _; kill -9 $$) <&3 >/dev/null 2>&1 & exec "$@" </dev/null 3<&-"#;

/// A program that runs beside the test.
pub(crate) struct Process {
    child: Child,
    _hold: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts a command; what it says goes to a file.
    pub(crate) fn start(command: &Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).unwrap();
        let mut held = Command::new("sh");
        held.args(["-c", HOLD, "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => held.env(name, value),
                None => held.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            held.current_dir(folder);
        }
        let mut child = held
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Process {
            // To wait for the child would close it.
            _hold: child.stdin.take(),
            child,
            log: log.to_owned(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`, so that none need be installed.
        let kill = format!("kill -{name} {}", self.pid());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success(), "{kill}");
    }

    /// `kill -9`: it has no say in the matter.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended, once it has.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = std::cell::RefCell::new(&mut self.child);
        until("a process ends", || async {
            child.borrow_mut().try_wait().unwrap()
        })
        .await
    }

    /// All that it has said so far.
    pub(crate) fn log(&self) -> String {
        match std::fs::read(&self.log) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // Its folder may go before it does, where a test fails.
            Err(e) => format!("no log: {e}"),
        }
    }

    /// Waits until it has said something.
    pub(crate) async fn says(&mut self, text: &str) {
        let this = std::cell::RefCell::new(self);
        until(&format!("a process says `{text}`"), || async {
            let mut this = this.borrow_mut();
            let said = this.log().contains(text);
            assert!(said || this.is_alive(), "it ended:\n{}", this.log());
            said.then_some(())
        })
        .await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // The end of what it said is what one wants to see of a test that failed.
            let log = self.log();
            let from = log.len().saturating_sub(4000);
            let tail = log.char_indices().find(|(at, _)| *at >= from);
            let pid = self.pid();
            #[allow(clippy::print_stderr)]
            if let Some((at, _)) = tail {
                eprintln!("process {pid} said:\n{}", &log[at..]);
            }
        }
    }
}
