//! What Prometheus itself says of our texts, and a look into one.

use std::process::{Command, Stdio};

use crate::support::site::Ran;

/// What `promtool` answers to this on its stdin.
pub(crate) async fn promtool(args: &[&str], text: &str) -> Ran {
    let there = Command::new("promtool")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        there.is_ok(),
        "`promtool` is missing: apt-get install prometheus, or scripts/tools"
    );
    let mut command = Command::new("promtool");
    command.args(args);
    Ran::of(command, text.as_bytes()).await
}

/// The value of a sample, by its name with all labels.
pub(crate) fn sample(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|it| it.strip_prefix(name));
    let mut values = values.filter_map(|it| it.strip_prefix(' '));
    Some(values.next()?.parse().expect("a number"))
}
