//! Which variables are keys of the configuration.

use figment::providers::Env;
use figment::value::UncasedStr;

/// What all of ours begin with.
pub(super) const PREFIX: &str = "LOVAGE_";
/// Variables that begin so and are no keys: the log filter, what the set-up of guest
/// toolchains goes by, and where the clients of the HTTP API find a server.
const NO_KEYS: [&str; 4] = ["log", LOG_FORMAT, "wasm_rustc", "url"];
/// The short name of `telemetry.log` among them.
const LOG_FORMAT: &str = "log_format";

/// Those that are keys, the later going before the earlier.
pub(super) fn all() -> [Env; 2] {
    let keys = Env::prefixed(PREFIX).ignore(&NO_KEYS);
    let format = Env::prefixed(PREFIX).only(&[LOG_FORMAT]);
    [
        keys.filter(|key| !is_password(key)).split("__"),
        format.map(|_| "telemetry.log".into()),
    ]
}

/// Whether this, without its prefix, has a database's password. It is read as it stands, and
/// not here: what looks like a number is none.
pub(super) fn is_password(key: &UncasedStr) -> bool {
    let key = key.as_str().to_ascii_lowercase();
    key.starts_with("sql__") && key.ends_with("__password")
}
