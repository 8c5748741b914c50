//! Asks other hosts. What it may ask is granted by whoever runs it; what it was not granted fails, and the log says why.

mod http;

use lovage::{Bytes, Failure};
use std::collections::BTreeMap;

// The second is a server of one's own machine, to try it out: `python3 -m http.server 47123`.
lovage::wants!["http GET example.com", "http private 127.0.0.1:47123"];

/// What a host answered.
#[lovage::data]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Bytes,
}

/// Sends one request.
#[lovage::task(retries = 0)]
fn fetch(
    url: String,
    method: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<Bytes>,
) -> Result<Answer, Failure> {
    let request = http::Request {
        method: method.unwrap_or_else(|| "GET".to_owned()),
        url,
        headers: headers.unwrap_or_default(),
        body: body.map(|it| it.0).unwrap_or_default(),
    };
    request
        .send()
        .and_then(http::Pending::answer)
        .map_err(failed)
}

/// Sends the same request many times, all of them before it reads the first answer; what became of each.
#[lovage::task(retries = 0)]
fn flood(url: String, times: u32) -> Vec<String> {
    let send = |_| {
        let request = http::Request::get(&url);
        request.send()
    };
    let sent: Vec<_> = (0..times).map(send).collect();
    let read = |it: Result<http::Pending, http::Error>| match it.and_then(http::Pending::answer) {
        Ok(answer) => answer.status.to_string(),
        Err(e) => e.name().to_owned(),
    };
    sent.into_iter().map(read).collect()
}

/// The same, and reads none of them: how many answers there are, and what became of the others.
#[lovage::task(retries = 0)]
fn hoard(url: String, times: u32) -> (usize, Vec<String>) {
    let sent: Vec<_> = (0..times)
        .map(|_| http::Request::get(&url).send())
        .collect();
    let arrived = sent
        .into_iter()
        .map(|it| it.and_then(http::Pending::arrived));
    let arrived: Vec<_> = arrived.collect();
    let failed = arrived.iter().filter_map(|it| it.as_ref().err());
    let failed: Vec<_> = failed.map(|e| e.name().to_owned()).collect();
    (arrived.len() - failed.len(), failed)
}

/// Follows redirects as a careless program would: each is a request of its own, and judged as one.
#[lovage::task(retries = 0)]
fn follow(url: String) -> Result<Answer, Failure> {
    let mut url = url;
    for _ in 0..5 {
        let request = http::Request::get(&url);
        let answer = request
            .send()
            .and_then(http::Pending::answer)
            .map_err(failed)?;
        match answer.headers.get("location") {
            Some(next) if (300..400).contains(&answer.status) => url.clone_from(next),
            _ => return Ok(answer),
        }
    }
    Err(Failure::new("too many redirects")
        .kind("redirects")
        .never_retry())
}

fn failed(e: http::Error) -> Failure {
    Failure::new(e.text()).kind(e.name())
}
