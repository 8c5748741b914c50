//! A web-hook's request: what it says, how it is signed, and how it is sent. Signed as
//! [Standard Webhooks](https://www.standardwebhooks.com) has it, so that receivers need no
//! code of ours.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lovage_queue::hook::SECRET;
use reqwest::{Client, StatusCode, Url};
use ring::hmac;

use crate::net::Dialer;
use crate::net::dial::{AGENT, chain};
use crate::net::http::literal;
use crate::net::names::Judge;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    /// Or why there is none.
    client: Result<Client, String>,
    judge: Judge,
}

/// A request to be sent.
pub struct Message<'a> {
    /// The same in each try.
    pub id: &'a str,
    /// When it is sent, in seconds since 1970.
    pub at: u64,
    /// A JSON text.
    pub body: String,
}

/// Why a receiver has not taken it.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// The secret is none. No other try would help.
    #[error("the hook's secret is no Base64")]
    Secret,
    /// It answered otherwise than with yes.
    #[error("the receiver answered {0}")]
    Answered(StatusCode),
    /// It did not answer.
    #[error("the receiver did not answer: {0}")]
    Unanswered(String),
}

impl Sender {
    /// Sends to public addresses, and to private ones where that is said. A redirect is no
    /// yes: what answers elsewhere is not who was named.
    pub fn new(dialer: &Dialer, private: bool) -> Self {
        let builder = dialer.builder(private).timeout(PATIENCE).user_agent(AGENT);
        Sender {
            client: builder.build().map_err(|e| chain(&e).join(": ")),
            judge: dialer.judge(private),
        }
    }

    /// Sends one; the answer's status.
    ///
    /// # Errors
    /// See [`Undelivered`].
    pub async fn send(
        &self,
        url: &str,
        secret: &str,
        message: Message<'_>,
    ) -> Result<StatusCode, Undelivered> {
        let signature = sign(secret, &message).ok_or(Undelivered::Secret)?;
        let unanswered = Undelivered::Unanswered;
        let client = self.client.as_ref().map_err(|e| unanswered(e.clone()))?;
        let url = Url::parse(url).map_err(|e| unanswered(e.to_string()))?;
        if let Some(address) = literal(&url) {
            let allowed = self.judge.check(address);
            allowed.map_err(|e| unanswered(e.to_string()))?;
        }
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.at.to_string())
            .header("webhook-signature", signature)
            .body(message.body);
        let answer = request.send().await;
        // The URL may have a password in it.
        let answer = answer.map_err(|e| unanswered(chain(&e.without_url()).join(": ")))?;
        match answer.status() {
            status if status.is_success() => Ok(status),
            status => Err(Undelivered::Answered(status)),
        }
    }
}

/// The header's value; `None` where the secret is none.
pub fn sign(secret: &str, message: &Message<'_>) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(SECRET)?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = format!("{}.{}.{}", message.id, message.at, message.body);
    let tag = hmac::sign(&key, signed.as_bytes());
    Some(format!("v1,{}", STANDARD.encode(tag)))
}

/// A secret that nobody knows yet.
pub fn new_secret() -> String {
    format!("{SECRET}{}", STANDARD.encode(rand::random::<[u8; 32]>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // The example of the standard's own reference libraries.
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at: 1_614_265_330,
            body: r#"{"test": 2432232314}"#.into(),
        };
        let signature = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &message);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature.as_deref(), Some(expected));
        assert_eq!(sign("no secret", &message), None);
    }

    #[test]
    fn new_secrets_are_sound_and_differ() {
        let (a, b) = (new_secret(), new_secret());
        assert_ne!(a, b);
        let message = Message {
            id: "a",
            at: 1,
            body: String::new(),
        };
        assert!(sign(&a, &message).is_some());
    }
}
