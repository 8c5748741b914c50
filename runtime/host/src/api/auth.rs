//! Who asks, and whether they may.
//!
//! A token comes in the `Authorization` header and nowhere else: there are no cookies, so
//! no page of somebody else's can speak for its reader.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use lovage_queue::broker::BrokerError;
use lovage_queue::client::Client;
use lovage_queue::task::Rate;
use serde::Serialize;

use super::body::{BodyLimit, BodyPatience, Form};
use super::problem::{Kind, Problem};
use super::token::{Role, Sent, Token};
use super::{Api, Origin, Shared};
use crate::view::queues::rate_text;

/// How long what is known of a token holds: one that is revoked is refused that much later.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Tokens that are remembered.
const REMEMBERED: usize = 10_000;

/// What somebody must be allowed.
pub(super) trait Right: Send + Sync + 'static {
    const ROLE: Role;
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $role:ident,)*) => {
        $($(#[$doc])* pub(super) enum $name {}
        impl Right for $name { const ROLE: Role = Role::$role; })*
    };
}

rights! {
    /// To look.
    Look = Viewer,
    /// To enqueue, cancel and requeue.
    Produce = Producer,
    /// To push, pause, limit and schedule.
    Deploy = Deployer,
    /// To make tokens and hooks.
    Administer = Admin,
}

/// Somebody who may do `R`.
pub(super) struct Caller<R> {
    pub(super) client: Client,
    /// Their token, unless nobody needs one.
    pub(super) token: Option<Arc<Token>>,
    form: Form,
    right: PhantomData<R>,
}

impl<R> Caller<R> {
    /// What they are allowed.
    pub(super) fn role(&self) -> Role {
        self.token.as_ref().map_or(Role::Admin, |it| it.role)
    }

    /// Whether they may do what takes this role.
    pub(super) fn may(&self, role: Role) -> Result<(), Problem> {
        self.token.as_ref().map_or(Ok(()), |it| allow(it, role))
    }

    /// What is written down of them.
    pub(super) fn name(&self) -> &str {
        self.token.as_ref().map_or("anybody", |it| &it.name)
    }

    /// The same of something that is there, and waits for somebody.
    pub(super) fn accepted<T: Serialize + ?Sized>(&self, value: &T) -> Response {
        self.form.answer(StatusCode::ACCEPTED, value)
    }

    /// Whether they are still who they were: a token may have been revoked since. While the
    /// broker is away nobody knows.
    pub(super) async fn is_valid(&self, api: &Api) -> bool {
        match &self.token {
            None => true,
            Some(it) => valid(api, self.client.tenant(), &it.id)
                .await
                .is_ok_and(|it| it.is_some()),
        }
    }

    /// An answer in the form that they asked for.
    pub(super) fn answer<T: Serialize + ?Sized>(&self, value: &T) -> Response {
        self.form.answer(StatusCode::OK, value)
    }

    /// The same of something that was made.
    pub(super) fn made<T: Serialize + ?Sized>(&self, value: &T) -> Response {
        self.form.answer(StatusCode::CREATED, value)
    }
}

impl<R: Right> FromRequestParts<Shared> for Caller<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Problem> {
        let (tenant, token) = match api.settings.authentication {
            true => {
                let (tenant, token) = known(api, &parts.headers).await?;
                (tenant, Some(token))
            }
            false => {
                refuse_strangers(&parts.headers, &api.settings.origins)?;
                (api.settings.tenant.clone(), None)
            }
        };
        let (mut limit, mut rate) = (api.settings.body, api.settings.rate);
        if let Some(token) = &token {
            allow(token, R::ROLE)?;
            limit = token.body.map_or(limit, |it| it.min(limit));
            rate = slower(token.rate, rate);
        }
        if let (Some(rate), Some(token)) = (rate, &token) {
            api.paces.take(&token.id, rate)?;
        }
        parts.extensions.insert(BodyLimit(limit));
        let patience = api.settings.patience.body;
        parts.extensions.insert(BodyPatience(patience));
        let by = match &token {
            Some(it) => format!("token {} ({})", it.name, it.id),
            None => "anybody".to_owned(),
        };
        Ok(Caller {
            client: api.client(&tenant).audited(&by),
            token,
            form: Form::of(&parts.headers)?,
            right: PhantomData,
        })
    }
}

fn allow(token: &Token, role: Role) -> Result<(), Problem> {
    match token.role >= role {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Forbidden,
            format!(
                "this takes the role `{role}`, and the token has `{}`",
                token.role
            ),
        )),
    }
}

/// The tenant and the token that a request brings.
async fn known(api: &Shared, headers: &HeaderMap) -> Result<(String, Arc<Token>), Problem> {
    let refused = |said: &str| Problem::new(Kind::Unauthorized, said);
    let header = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| refused("send a token, as `Authorization: Bearer lov_…`"))?;
    let text = header.to_str().unwrap_or_default();
    let (scheme, text) = text.split_once(' ').unwrap_or_default();
    // Whatever is wrong with it, the answer is the same.
    let unknown = || refused("the token is not valid: it is wrong, has expired or was revoked");
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unknown());
    }
    let sent = Sent::read(text.trim()).ok_or_else(unknown)?;
    let token = valid(api, sent.tenant, sent.id).await?;
    let token = token.filter(|it| it.is_of(sent.secret));
    Ok((sent.tenant.to_owned(), token.ok_or_else(unknown)?))
}

/// The token of this id, if it is worth something.
async fn valid(api: &Api, tenant: &str, id: &str) -> Result<Option<Arc<Token>>, BrokerError> {
    let token = match api.tokens.get(tenant, id) {
        Some(known) => known,
        None => {
            let read = Token::read(&*api.broker, tenant, id).await?;
            api.tokens.put(tenant, id, read.map(Arc::new))
        }
    };
    Ok(token.filter(|it| !it.has_expired()))
}

/// Without tokens whoever reaches the port may do everything: so it must be a person on
/// this machine, and not a page of somebody else's in their browser. One that is named may;
/// that anybody's may is said where a token is needed.
fn refuse_strangers(headers: &HeaderMap, origins: &[Origin]) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|it: &header::HeaderValue| it.to_str().ok())
    };
    let refused = |said: &str| Err(Problem::new(Kind::Forbidden, said));
    let host = text(header::HOST).unwrap_or_default();
    if !is_loopback(host) {
        return refused(
            "without authentication the server answers to loopback names only, such as `localhost`",
        );
    }
    let origin = headers.get(header::ORIGIN);
    if origin.is_some_and(|it| origins.contains(&Origin::Of(it.clone()))) {
        return Ok(());
    }
    match text(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.split_once("://").is_some_and(|(_, it)| it == host) => Ok(()),
        Some(_) => refused(
            "without authentication pages of other origins are not answered, unless `serve.origins` names them",
        ),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let address = name.parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
}

/// When what is known of a token was looked up, and what that is.
type Known = (Instant, Option<Arc<Token>>);

/// What is known of tokens just now; of wrong ones too, so that guessing costs nobody.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Known>>);

impl Tokens {
    fn get(&self, tenant: &str, id: &str) -> Option<Option<Arc<Token>>> {
        let known = self.lock();
        let (since, token) = known.get(&name(tenant, id))?;
        (since.elapsed() < KNOWN_FOR).then(|| token.clone())
    }

    fn put(&self, tenant: &str, id: &str, token: Option<Arc<Token>>) -> Option<Arc<Token>> {
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            // Guesses first: those who have a token are not to pay for them.
            known.retain(|_, (since, token)| token.is_some() && since.elapsed() < KNOWN_FOR);
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(name(tenant, id), (Instant::now(), token.clone()));
        token
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(tenant: &str, id: &str) -> String {
    format!("{tenant}.{id}")
}

/// How fast tokens are used: each has a bucket of as many uses as its rate has in its
/// period, which fills evenly.
#[derive(Default)]
pub(super) struct Paces(Mutex<HashMap<String, Bucket>>);

struct Bucket {
    uses: f64,
    since: Instant,
}

impl Paces {
    fn take(&self, id: &str, rate: Rate) -> Result<(), Problem> {
        let (most, now) = (f64::from(rate.count.max(1)), Instant::now());
        let seconds = rate.period.as_secs_f64().max(0.001) / most;
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED {
            // One that nobody has used for its period is full again.
            buckets.retain(|_, it| now.duration_since(it.since) < rate.period);
        }
        let bucket = buckets.entry(id.to_owned()).or_insert(Bucket {
            uses: most,
            since: now,
        });
        let filled = now.duration_since(bucket.since).as_secs_f64() / seconds;
        bucket.uses = (bucket.uses + filled).min(most);
        bucket.since = now;
        if bucket.uses < 1.0 {
            let wait = ((1.0 - bucket.uses) * seconds).ceil() as u64;
            let said = format!("the token may be used {}", rate_text(rate));
            return Err(Problem::new(Kind::RateLimited, said).again_in(wait));
        }
        bucket.uses -= 1.0;
        Ok(())
    }
}

/// The lesser of two rates, where there are any: nobody allows more than the operator.
fn slower(one: Option<Rate>, other: Option<Rate>) -> Option<Rate> {
    let speed = |it: &Rate| f64::from(it.count) / it.period.as_secs_f64().max(0.001);
    let both = [one, other].into_iter().flatten();
    both.min_by(|a, b| speed(a).total_cmp(&speed(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_loopback() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:7777",
            "[::1]:80",
            "127.1.2.3",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:80",
            "10.0.0.1",
            "[::2]:1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_rate_is_kept_to_and_comes_back() {
        let paces = Paces::default();
        let rate = |count, period| Rate { count, period };
        let hourly = rate(2, Duration::from_secs(3600));
        assert!(paces.take("a", hourly).is_ok() && paces.take("a", hourly).is_ok());
        assert!(paces.take("a", hourly).is_err());
        assert!(paces.take("b", hourly).is_ok(), "each by itself");
        let fast = rate(1_000, Duration::from_secs(1));
        assert_eq!(slower(Some(fast), Some(hourly)), Some(hourly));
        assert_eq!(slower(None, Some(fast)), Some(fast));
    }
}
