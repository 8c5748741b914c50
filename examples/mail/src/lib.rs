//! Sends mail with nothing but the standard library: `std::net` is `wasi:sockets` underneath, which leads where the module
//! was granted and nowhere else.

mod message;
mod smtp;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};

use lovage::{Failure, config, context};

use message::Message;

// The second is a server of one's own machine, to try it out.
lovage::wants![
    "config smtp-server",
    "config mail-from",
    "tcp smtp.example.com:25",
    "tcp private 127.0.0.1:47125",
];

/// Sends a mail, and answers with its message id. A job that is tried again sends it by the same id, so that whoever got it
/// already can tell.
#[lovage::task(retries = 5)]
fn send(to: Vec<String>, subject: String, text: String) -> Result<String, Failure> {
    let value = |key: &str| {
        let missing = || {
            Failure::new(format!("`{key}` is not set: `lovage config set {key} …`")).never_retry()
        };
        config::get(key)?.ok_or_else(missing)
    };
    let (server, from) = (value("smtp-server")?, value("mail-from")?);
    let message = Message {
        id: format!("<{}@lovage>", context::id()),
        from,
        to,
        subject,
        text,
    };
    message
        .check()
        .map_err(|e| Failure::new(e).kind("message").never_retry())?;
    let stream = TcpStream::connect(server.as_str()).map_err(failed)?;
    smtp::send(stream, &message).map_err(|e| match e {
        smtp::Error::Io(e) => failed(e),
        // What is refused for good is refused tomorrow, too (RFC 5321, 4.2.1).
        smtp::Error::Refused(reply) if reply.starts_with('5') => {
            Failure::new(reply).kind("refused").never_retry()
        }
        smtp::Error::Refused(reply) => Failure::new(reply).kind("refused"),
    })?;
    Ok(message.id)
}

/// Sends a text, says that there is no more, and answers with all that comes back.
#[lovage::task(retries = 0)]
fn ask(address: String, text: String) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    let mut answer = String::new();
    stream.write_all(text.as_bytes()).map_err(failed)?;
    stream.shutdown(Shutdown::Write).map_err(failed)?;
    stream.read_to_string(&mut answer).map_err(failed)?;
    Ok(answer)
}

/// The addresses of a name, and what became of it where there are none.
#[lovage::task(retries = 0)]
fn names(name: String) -> Result<Vec<String>, Failure> {
    let found = (name.as_str(), 25).to_socket_addrs().map_err(failed)?;
    Ok(found.map(|it| it.ip().to_string()).collect())
}

/// Connects many times, and closes none before the last: what became of each.
#[lovage::task(retries = 0)]
fn hoard(address: String, times: u32) -> Vec<String> {
    let all: Vec<_> = (0..times).map(|_| TcpStream::connect(&address)).collect();
    let said = all.iter().map(|it| {
        it.as_ref()
            .map_or_else(|e| word(e.kind()), |_| "connected".into())
    });
    said.collect()
}

/// Connects many times, one after the other, and says a word each time.
#[lovage::task(retries = 0)]
fn knock(address: String, times: u32) -> Result<u32, Failure> {
    for _ in 0..times {
        let mut stream = TcpStream::connect(&address).map_err(failed)?;
        stream.write_all(b"knock").map_err(failed)?;
    }
    Ok(times)
}

/// Sends so many bytes of zeros, and answers with how many got away.
#[lovage::task(retries = 0)]
fn pour(address: String, bytes: u64) -> Result<u64, Failure> {
    let mut stream = TcpStream::connect(&address).map_err(failed)?;
    let (chunk, mut sent) = ([0; 65_536], 0);
    while sent < bytes {
        match stream.write_all(&chunk) {
            Ok(()) => sent += chunk.len() as u64,
            Err(_) => break,
        }
    }
    Ok(sent)
}

/// Listens, which no task may.
#[lovage::task(retries = 0)]
fn listen() -> Result<String, Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    Ok(listener.local_addr().map_err(failed)?.to_string())
}

fn failed(e: std::io::Error) -> Failure {
    Failure::new(e.to_string()).kind(word(e.kind()))
}

/// A kind of error in a word, as in `permission-denied`.
fn word(kind: ErrorKind) -> String {
    let mut word = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}
