//! Connections: how they begin, what holds them to their time, and how they end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::patient::Patient;
use super::{Api, router, tls};

/// How often a connection that carries many requests at once is asked whether its client
/// is still there.
const ALIVE: Duration = Duration::from_secs(30);
/// How long a client may take none of its answer.
const TAKES: Duration = Duration::from_secs(60);
/// Connections at once. Further ones wait to be accepted.
const CONNECTIONS: usize = 20_000;
/// Requests at once on a connection that has several.
const STREAMS: u32 = 250;
/// Bytes of a request's head, and of what is read at once.
const HEAD: usize = 64 * 1024;

/// Answers requests until the API's stop signal; then no more are taken, and those that
/// run may end within the grace.
pub async fn run(listener: TcpListener, api: Arc<Api>) {
    let acceptor = api.acceptor.clone();
    let router = router(api.clone());
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let taken = tokio::select! {
            () = api.stopping() => break,
            taken = take(&listener, &room) => taken,
        };
        let Some((stream, permit)) = taken else {
            continue;
        };
        let (router, acceptor, api) = (router.clone(), acceptor.clone(), api.clone());
        let watcher = graceful.watcher();
        let patience = api.settings.patience.head;
        tokio::spawn(async move {
            let _permit = permit;
            match acceptor {
                None => speak(stream, false, router, watcher, patience).await,
                Some(acceptor) => {
                    let stream = tokio::select! {
                        stream = shake_hands(acceptor, stream, patience) => stream,
                        () = api.stopping() => None,
                    };
                    if let Some(stream) = stream {
                        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(tls::H2);
                        speak(stream, is_h2, router, watcher, patience).await;
                    }
                }
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(api.settings.grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("the grace is over: requests that still run are cut off");
    }
}

type Taken = (TcpStream, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is room for it.
async fn take(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<Taken> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small, and somebody waits for each.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(e) => {
            tracing::warn!(error = %e, "could not take a connection");
            // Out of descriptors, say: others must end first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    patience: Duration,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let shaken = tokio::time::timeout(patience, acceptor.accept(stream)).await;
    match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(e)) => {
            tracing::debug!(error = %e, "no TLS");
            None
        }
        Err(_) => None,
    }
}

/// Answers the requests of one connection. Each protocol has a server of its own: one that
/// guesses which it is would wait for a first byte without end.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    is_h2: bool,
    router: Router,
    watcher: Watcher,
    patience: Duration,
) {
    let io = TokioIo::new(Patient::new(stream, TAKES));
    let service = TowerToHyperService::new(router);
    let spoken = if is_h2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(ALIVE))
            .keep_alive_timeout(patience)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD as u32)
            .serve_connection(io, service);
        watcher.watch(connection).await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .max_buf_size(HEAD)
            .serve_connection(io, service);
        watcher.watch(connection).await
    };
    if let Err(e) = spoken {
        tracing::debug!(error = %e, "a connection broke");
    }
}
