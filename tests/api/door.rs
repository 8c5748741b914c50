//! A server of a test's own, in the test's process or in one of its own.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use lovage::api::token::{NewToken, Role, Token};
use lovage::api::{Api, Patience, Settings, run};
use lovage::deploy;
use lovage::engine::{self, Engine};
use lovage::telemetry::Telemetry;
use lovage_queue::clock::Millis;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::app;
use super::visitor::Visitor;
use crate::support::process::Process;
use crate::support::site::Site;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let settings = engine::Settings {
        instances: 8,
        ..engine::Settings::default()
    };
    Engine::new(settings).unwrap()
});

/// A server in this process; asks it as whoever has the first word.
pub(crate) struct Door {
    pub(crate) site: Site,
    visitor: Visitor,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Deref for Door {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

/// How most tests have it.
pub(crate) fn settings() -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        authentication: false,
        tenant: "default".into(),
        body: 1 << 20,
        rate: None,
        origins: Vec::new(),
        tls: None,
        grace: Duration::from_secs(5),
        patience: Patience::default(),
        vault: None,
    }
}

impl Door {
    /// One that takes anybody, over a file.
    pub(crate) async fn open() -> Self {
        Self::on(Site::sqlite(), settings()).await
    }

    /// One that takes anybody, where there is the module `app`.
    pub(crate) async fn with_app() -> Self {
        let door = Self::open().await;
        door.push("app", app()).await;
        door
    }

    /// One that takes tokens, and an administrator who asks it.
    pub(crate) async fn locked() -> Self {
        let settings = Settings {
            authentication: true,
            ..settings()
        };
        let mut door = Self::on(Site::sqlite(), settings).await;
        door.visitor = door.as_a(Role::Admin).await;
        door
    }

    pub(crate) async fn on(site: Site, settings: Settings) -> Self {
        let listener = TcpListener::bind(settings.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if settings.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let visitor = Visitor::new(&format!("{scheme}://{address}"), None);
        let broker = site.client().await.broker().clone();
        let (stop, stopped) = watch::channel(false);
        let (engine, telemetry) = (ENGINE.clone(), Telemetry::default());
        let api: Arc<Api> = Api::new(settings, broker, engine, telemetry, stopped).unwrap();
        let running = tokio::spawn(async move { run(listener, api).await });
        Door {
            site,
            visitor,
            stop,
            running,
        }
    }

    /// Makes a module active, whatever the workers say.
    pub(crate) async fn push(&self, name: &str, bytes: Vec<u8>) {
        let push = deploy::Push {
            name,
            bytes,
            by: "test",
            patience: Duration::ZERO,
            approver: None,
        };
        let client = self.site.client().await;
        deploy::push(&ENGINE, client, push, |_| {}).await.unwrap();
    }

    /// Somebody with a new token of this role.
    pub(crate) async fn as_a(&self, role: Role) -> Visitor {
        let (_, text) = self.token("default", role, None).await;
        self.visitor.with(Some(&text))
    }

    /// A new token.
    pub(crate) async fn token(
        &self,
        tenant: &str,
        role: Role,
        lasts: Option<Duration>,
    ) -> (Token, String) {
        let new = NewToken {
            expires: lasts.map(|it| Millis::of_this_host().after(it)),
            ..new_token(role)
        };
        self.make(tenant, new).await
    }

    pub(crate) async fn make(&self, tenant: &str, new: NewToken) -> (Token, String) {
        make(&self.site, tenant, new).await
    }

    pub(crate) fn tell_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until nothing runs any more.
    pub(crate) async fn stopped(self) -> Site {
        self.tell_to_stop();
        self.running.await.unwrap();
        self.site
    }

    /// Another server where this one was.
    pub(crate) async fn again(self) -> Self {
        Door::on(self.stopped().await, settings()).await
    }
}

pub(crate) fn new_token(role: Role) -> NewToken {
    NewToken {
        name: role.to_string(),
        role,
        expires: None,
        rate: None,
        body: None,
    }
}

pub(crate) async fn make(site: &Site, tenant: &str, new: NewToken) -> (Token, String) {
    let broker = site.client().await.broker();
    Token::create(&**broker, tenant, new).await.unwrap()
}

/// `lovage serve`, and an administrator who asks it.
pub(crate) struct Serve {
    pub(crate) process: Process,
    pub(crate) visitor: Visitor,
}

impl Serve {
    pub(crate) async fn start(site: &Site, args: &[&str]) -> Self {
        let (_, token) = make(site, "default", new_token(Role::Admin)).await;
        let args = [&["--listen", "127.0.0.1:0"], args].concat();
        let mut process = site.spawn("serve", &args);
        process.says("serving http").await;
        let log = process.log();
        let base = log.split_once("serving ").expect("an address").1;
        let base = base.split_whitespace().next().expect("an address");
        // Nobody but a terminal gets colours.
        let base = base.trim_end_matches(|c: char| !c.is_ascii_digit());
        Serve {
            visitor: Visitor::new(base, Some(&token)),
            process,
        }
    }
}
