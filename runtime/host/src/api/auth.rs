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
use lovage_queue::client::Client;
use lovage_queue::clock::Millis;
use lovage_queue::limits::Pace;
use lovage_queue::task::Rate;
use serde::Serialize;

use super::Shared;
use super::body::{BodyLimit, BodyPatience, Form};
use super::problem::{Kind, Problem};
use super::token::{Role, Sent, Token};

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
                refuse_strangers(&parts.headers)?;
                (api.settings.tenant.clone(), None)
            }
        };
        let (mut limit, mut rate) = (api.settings.body, api.settings.rate);
        if let Some(token) = &token {
            allow(token, R::ROLE)?;
            limit = token.body.map_or(limit, |it| it.min(limit));
            rate = token.rate.or(rate);
        }
        if let (Some(rate), Some(token)) = (rate, &token) {
            api.paces.take(&token.id, rate)?;
        }
        parts.extensions.insert(BodyLimit(limit));
        let patience = api.settings.patience.body;
        parts.extensions.insert(BodyPatience(patience));
        Ok(Caller {
            client: api.client(&tenant),
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
    let token = match api.tokens.get(sent.tenant, sent.id) {
        Some(known) => known,
        None => {
            let read = Token::read(&*api.broker, sent.tenant, sent.id).await?;
            api.tokens.put(sent.tenant, sent.id, read.map(Arc::new))
        }
    };
    let token = token.filter(|it| it.is_of(sent.secret) && !it.has_expired());
    Ok((sent.tenant.to_owned(), token.ok_or_else(unknown)?))
}

/// Without tokens whoever reaches the port may do everything: so it must be a person on
/// this machine, and not a page of somebody else's in their browser.
fn refuse_strangers(headers: &HeaderMap) -> Result<(), Problem> {
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
    match text(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.split_once("://").is_some_and(|(_, it)| it == host) => Ok(()),
        Some(_) => refused("without authentication pages of other origins are not answered"),
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

/// How fast tokens are used.
#[derive(Default)]
pub(super) struct Paces(Mutex<HashMap<String, u64>>);

impl Paces {
    fn take(&self, id: &str, rate: Rate) -> Result<(), Problem> {
        let (pace, now) = (Pace::of(rate), Millis::of_this_host());
        let mut dues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if dues.len() >= REMEMBERED {
            // Those whose time has come have nothing to remember.
            dues.retain(|_, due| *due > now.0 * 1_000);
        }
        let due = dues.get(id).copied().unwrap_or_default();
        if pace.room(due, now) == 0 {
            let wait = Pace::next(due).since(now);
            let said = format!(
                "the token may be used {} times in {:?}",
                rate.count, rate.period
            );
            return Err(Problem::new(Kind::RateLimited, said).again_in(wait.as_secs() + 1));
        }
        dues.insert(id.to_owned(), pace.after(due, now, 1));
        Ok(())
    }
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
        let rate = Rate {
            count: 1,
            period: Duration::from_secs(3600),
        };
        assert!(paces.take("a", rate).is_ok());
        assert!(paces.take("a", rate).is_err());
        assert!(paces.take("b", rate).is_ok(), "each by itself");
    }
}
