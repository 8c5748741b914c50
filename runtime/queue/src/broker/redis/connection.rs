//! One multiplexed connection that outlives the server's outages, and what an
//! error of Redis means to a broker.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo, RedisError, ServerErrorKind,
    Value,
};
use tokio::runtime::Handle;
use tokio::sync::RwLock;

use super::scripts::Script;
use crate::broker::{BrokerError, Result, no_tenant};

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take before the connection counts as broken.
const ANSWER: Duration = Duration::from_secs(10);
/// After so long a silence the peer is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(5);
/// An operation whose connection broke is tried again after these waits, if it is
/// safe to repeat; what lasts longer is the caller's to decide.
const AGAIN: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];
/// Script flags, `LMOVE` and `LPOP` with a count.
const OLDEST: (u32, u32) = (7, 0);

pub(super) struct Connection {
    client: Client,
    place: String,
    /// Where the connection's driver lives: whoever finds it broken may be on a
    /// runtime that has no sockets.
    home: Handle,
    /// The connection, and how many there were before it.
    current: RwLock<(MultiplexedConnection, u64)>,
}

impl Connection {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let place = without_password(url);
        let client = client(url).map_err(|e| BrokerError::Unsuitable {
            place: place.clone(),
            reason: format!("the URL cannot be read: {e}"),
        })?;
        let connection = connect(&client).await.map_err(|e| meaning(&place, &e))?;
        let it = Connection {
            client,
            place,
            home: Handle::current(),
            current: RwLock::new((connection, 0)),
        };
        it.check_version().await?;
        Ok(it)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    async fn check_version(&self) -> Result<()> {
        let version = self.info("server", "redis_version").await?;
        let version = version.as_deref().unwrap_or("unknown");
        let mut numbers = version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0));
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if found < OLDEST {
            return Err(BrokerError::Unsuitable {
                place: self.place.clone(),
                reason: format!(
                    "its version is {version}, and lovage needs redis {}.{} or newer",
                    OLDEST.0, OLDEST.1
                ),
            });
        }
        Ok(())
    }

    /// Bytes that the server's data takes, with its share of the allocator's waste.
    pub(super) async fn memory(&self) -> Result<u64> {
        let used = self.info("memory", "used_memory").await?;
        let known = used.as_deref().and_then(|it| it.parse().ok());
        known.ok_or_else(|| BrokerError::Unsuitable {
            place: self.place.clone(),
            reason: "it does not say how much memory it uses: allow it `INFO`".into(),
        })
    }

    /// Processor time that the server has used.
    pub(super) async fn processor_time(&self) -> Result<Duration> {
        let mut all = Duration::ZERO;
        for name in ["used_cpu_user", "used_cpu_sys"] {
            let used = self.info("cpu", name).await?;
            let seconds: f64 = used.and_then(|it| it.parse().ok()).unwrap_or(0.0);
            all += Duration::try_from_secs_f64(seconds).unwrap_or_default();
        }
        Ok(all)
    }

    /// What the server says of itself under this name.
    async fn info(&self, section: &str, name: &str) -> Result<Option<String>> {
        let mut info = redis::cmd("INFO");
        info.arg(section);
        let answer = self.plain(&info).await?;
        let text: String = redis::from_redis_value(answer).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        let mut values = pairs.filter(|(key, _)| *key == name);
        Ok(values.next().map(|(_, value)| value.trim().to_owned()))
    }

    /// Sends a command that is no script's.
    pub(super) async fn plain(&self, command: &Cmd) -> Result<Value> {
        let answer = self.send(command).await;
        answer.map_err(|e| meaning(&self.place, &e))
    }

    /// Runs a script's command; tries again where the connection broke, and
    /// loads the script where the server does not know it.
    pub(super) async fn run(&self, script: &Script, command: &Cmd) -> Result<Value> {
        self.run_within(script, command, &AGAIN).await
    }

    /// The same for what is not safe to repeat: it is sent once, and where the connection
    /// broke nobody knows what became of it.
    pub(super) async fn run_once(&self, script: &Script, command: &Cmd) -> Result<Value> {
        self.run_within(script, command, &[]).await
    }

    async fn run_within(
        &self,
        script: &Script,
        command: &Cmd,
        again: &[Duration],
    ) -> Result<Value> {
        let mut waits = again.iter();
        loop {
            match self.send(command).await {
                Ok(answer) => return Ok(answer),
                Err(e) if e.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    let mut load = redis::cmd("SCRIPT");
                    load.arg("LOAD").arg(&script.source);
                    self.send(&load)
                        .await
                        .map_err(|e| meaning(&self.place, &e))?;
                }
                Err(e) if is_broken(&e) => match waits.next() {
                    Some(wait) => tokio::time::sleep(*wait).await,
                    None => return Err(meaning(&self.place, &e)),
                },
                Err(e) => {
                    tracing::debug!(script = script.name, error = %e, "redis refused a script");
                    return Err(meaning(&self.place, &e));
                }
            }
        }
    }

    async fn send(&self, command: &Cmd) -> redis::RedisResult<Value> {
        let (mut connection, generation) = self.current.read().await.clone();
        let answer = connection.send_packed_command(command).await;
        if answer.as_ref().is_err_and(is_broken) {
            let mut current = self.current.write().await;
            // Somebody else may have made a new one meanwhile.
            if current.1 == generation {
                let client = self.client.clone();
                let anew = self.home.spawn(async move { connect(&client).await });
                let anew = anew
                    .await
                    .map_err(|e| RedisError::from(std::io::Error::other(e)))?;
                *current = (anew?, generation + 1);
            }
        }
        match answer? {
            Value::ServerError(e) => Err(e.into()),
            value => Ok(value),
        }
    }
}

/// A client whose connections send at once, and notice a peer that is gone.
fn client(url: &str) -> redis::RedisResult<Client> {
    let info = url.into_connection_info()?;
    let keepalive = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(SILENCE / 3);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(SILENCE * 2);
    Client::open(info.set_tcp_settings(tcp))
}

async fn connect(client: &Client) -> redis::RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

fn is_broken(e: &RedisError) -> bool {
    e.is_io_error()
        || e.is_connection_dropped()
        || e.is_timeout()
        || e.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading)
}

/// What an error means to a broker; by its kind and code, never by its text.
pub(super) fn meaning(place: &str, e: &RedisError) -> BrokerError {
    let (place, reason) = (place.to_owned(), e.to_string());
    match e.code() {
        // What our own scripts refuse (quota.lua).
        Some("QUOTA") => over_quota(e.detail().unwrap_or_default()),
        Some("SUSPENDED") => BrokerError::Suspended,
        Some("LEAVING") => no_tenant(),
        // MISCONF: it cannot write its snapshots, so its disk is full or gone.
        Some("OOM" | "MISCONF") => BrokerError::Full { place, reason },
        _ if is_broken(e) => BrokerError::Unreachable { place, reason },
        _ => BrokerError::Unsuitable { place, reason },
    }
}

/// A quota's name, what it allows and what is taken.
fn over_quota(said: &str) -> BrokerError {
    let mut words = said.split(' ');
    let name = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    let (limit, used) = (number(), number());
    BrokerError::over(name, limit, used)
}

/// An answer that no script of ours gives.
pub(super) fn unexpected(script: &'static str, what: &str) -> BrokerError {
    BrokerError::Corrupt {
        what: format!("the answer of the script `{script}`"),
        reason: what.to_owned(),
    }
}

pub(in crate::broker) fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}{}", &url[..scheme + 3], &url[at + 1..])
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_never_reaches_an_error() {
        assert_eq!(
            without_password("redis://user:p@ss@host:1/2"),
            "redis://host:1/2"
        );
        assert_eq!(without_password("redis://host:1"), "redis://host:1");
    }
}
