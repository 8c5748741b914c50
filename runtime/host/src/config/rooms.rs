//! What each room needs of the configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lovage_queue::broker::Retention;

use super::{Config, Isolation, parse_queues};
use crate::api;
use crate::engine::{self, Ceilings, Limits};
use crate::net::{Bounds, TcpBounds};
use crate::sandbox::Program;
use crate::sandbox::compiler::Apart;
use crate::sandbox::pool;
use crate::view::queues::read_rate;
use crate::worker;

/// How long a process for attempts is kept that runs none.
const IDLE: Duration = Duration::from_secs(60);

impl Config {
    /// What the engine needs of it.
    pub fn engine(&self) -> engine::Settings {
        let slots = self.worker.concurrency + worker::spare(self.worker.concurrency);
        engine::Settings {
            cache: Some(self.cache.join("modules")),
            compiler: Some(Arc::new(Apart {
                memory: self.compile.memory.0,
                timeout: self.compile.timeout.0,
                ..Apart::default()
            })),
            instances: u32::try_from(slots).unwrap_or(u32::MAX).saturating_add(4),
            ..engine::Settings::default()
        }
    }

    /// What a worker's engine needs of it.
    pub fn worker_engine(&self) -> engine::Settings {
        engine::Settings {
            elsewhere: self.worker.isolation == Isolation::Process,
            ..self.engine()
        }
    }

    /// How the processes are made that run attempts, where they have their own.
    fn sandboxes(&self) -> Option<pool::Settings> {
        (self.worker.isolation == Isolation::Process).then(|| pool::Settings {
            program: Program::default(),
            most: self.worker.sandboxes,
            memory: self.worker.sandbox_memory.0,
            idle: IDLE,
            instances: self.engine().instances,
            threads: self.worker.threads,
        })
    }

    /// What a worker needs of it.
    pub fn worker(&self) -> worker::Settings {
        worker::Settings {
            queues: parse_queues(&self.worker.queues).unwrap_or_default(),
            concurrency: self.worker.concurrency,
            threads: self.worker.threads,
            heartbeat: self.worker.heartbeat.0,
            lease: self.worker.lease.0,
            grace: self.worker.grace.0,
            limits: self.limits(),
            ceilings: self.ceilings(),
            retention: Retention {
                completed: self.retention.completed.0,
                discarded: self.retention.discarded.0,
                count: self.retention.count,
                bytes: self.retention.bytes.0,
            },
            sandboxes: self.sandboxes(),
            ca: self.http.ca.clone(),
            private_hooks: self.hooks.private,
            echo: false,
            vault: None,
            sql: BTreeMap::new(),
        }
    }

    /// What the HTTP API needs of it. Without authentication whoever reaches it may do
    /// everything: so it is off on loopback only.
    pub fn serve(&self, listen: SocketAddr, authentication: bool) -> api::Settings {
        let files = (self.serve.certificate.clone(), self.serve.key.clone());
        api::Settings {
            listen,
            authentication: authentication || !listen.ip().is_loopback(),
            tenant: self.tenant.clone(),
            body: self.serve.body.0,
            // It was read when the configuration was.
            rate: self.serve.rate.as_deref().and_then(|it| read_rate(it).ok()),
            origins: self.serve.origins().unwrap_or_default(),
            tls: match files {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                _ => None,
            },
            grace: self.serve.grace.0,
            patience: api::Patience::default(),
            vault: None,
        }
    }

    /// The most that a task or a call may ask for.
    pub fn ceilings(&self) -> Ceilings {
        Ceilings {
            fuel: self.limits.max_fuel,
            memory: self.limits.max_memory.0,
            deadline: self.limits.max_timeout.0.max(Duration::from_millis(1)),
        }
    }

    /// What an attempt may use.
    pub fn limits(&self) -> Limits {
        Limits {
            fuel: self.limits.fuel,
            memory: self.limits.memory.0,
            deadline: self.limits.timeout.0.max(Duration::from_millis(1)),
            result: self.limits.result.0 as usize,
            log: self.limits.log.0 as usize,
            http: Bounds {
                requests: self.http.requests,
                body: self.http.body.0 as usize,
                time: self.http.timeout.0.max(Duration::from_millis(1)),
                ..Bounds::default()
            },
            tcp: TcpBounds {
                connections: self.tcp.connections,
                bytes: self.tcp.bytes.0,
            },
            scratch: self.limits.max_scratch.0,
            ..Limits::default()
        }
    }
}
