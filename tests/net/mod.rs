//! What leaves a host for others: where it may go, and how long and large it may be.

mod bounds;
mod tcp;
mod tricks;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lovage::net::names::Names;
use lovage::net::{
    Bounds, Connections, Dialer, Gate, HttpAnswer, HttpFailure, HttpRequest, TcpBounds,
};
use lovage_queue::grant::Grants;
use tokio::runtime::Handle;

/// Names that say what they are told to, and another thing each time.
#[derive(Default)]
pub(crate) struct Told {
    /// The answers still to be given, the next one last; the very last one stays.
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Told {
    /// A name, and what it leads to the first time, the second time, and so on.
    pub(crate) fn of(names: &[(&str, &[&str])]) -> Arc<Self> {
        let read = |it: &&str| -> Vec<IpAddr> {
            it.split_whitespace()
                .map(|it| it.parse().unwrap())
                .collect()
        };
        let answers = names.iter().map(|(name, answers)| {
            let answers = answers.iter().rev().map(read).collect();
            ((*name).to_owned(), answers)
        });
        Arc::new(Told {
            answers: Mutex::new(answers.collect()),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Names for Told {
    async fn look_up(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut answers = self.answers.lock().unwrap();
        match answers.get_mut(name) {
            Some(answers) if answers.len() > 1 => Ok(answers.pop().unwrap()),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(std::io::Error::other("no such name")),
        }
    }
}

pub(crate) fn grants(texts: &[&str]) -> Arc<Grants> {
    let grants = texts.iter().map(|it| it.parse().unwrap());
    Arc::new(Grants(grants.collect()))
}

/// The way out of an attempt that was granted this.
pub(crate) fn gate(names: Arc<Told>, texts: &[&str], bounds: Bounds) -> Gate {
    let dialer = Arc::new(Dialer::over(names, Vec::new()));
    Gate::new(dialer, Handle::current(), grants(texts), bounds)
}

/// The connections of an attempt that was granted this.
pub(crate) fn connections(names: Arc<Told>, texts: &[&str], bounds: TcpBounds) -> Connections {
    let dialer = Arc::new(Dialer::over(names, Vec::new()));
    Connections::new(dialer, Handle::current(), grants(texts), bounds)
}

fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        ..HttpRequest::default()
    }
}

/// A failure in a word.
fn name(answered: &Result<HttpAnswer, HttpFailure>) -> &'static str {
    match answered {
        Ok(_) => "answered",
        Err(failure) => match failure {
            HttpFailure::Denied(_) => "denied",
            HttpFailure::Prohibited(_) => "prohibited",
            HttpFailure::Invalid(_) => "invalid",
            HttpFailure::TooMany(_) => "too many",
            HttpFailure::TooLarge(..) => "too large",
            HttpFailure::Unknown(_) => "unknown",
            HttpFailure::Connect(_) => "connect",
            HttpFailure::Tls(_) => "tls",
            HttpFailure::Timeout(_) => "timeout",
            HttpFailure::Broken(_) => "broken",
        },
    }
}
