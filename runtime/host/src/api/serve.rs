//! Connections: how they begin, what holds them to their time, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::{Api, router, tls};

/// How often a connection that carries many requests at once is asked whether its client
/// is still there.
const ALIVE: Duration = Duration::from_secs(30);
/// Connections at once. Further ones wait to be accepted.
const CONNECTIONS: usize = 20_000;

/// Answers requests until the API's stop signal; then no more are taken, and those that
/// run may end within the grace.
///
/// # Errors
/// A certificate that cannot be used.
pub async fn run(listener: TcpListener, api: Arc<Api>) -> Result<(), tls::TlsError> {
    let acceptor = match &api.settings.tls {
        Some((chain, key)) => Some(tls::acceptor(chain, key)?),
        None => None,
    };
    let router = router(api.clone());
    let graceful = Arc::new(GracefulShutdown::new());
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
                None => speak(stream, router, watcher, patience).await,
                Some(acceptor) => {
                    let stream = tokio::select! {
                        stream = shake_hands(acceptor, stream, patience) => stream,
                        () = api.stopping() => None,
                    };
                    if let Some(stream) = stream {
                        speak(stream, router, watcher, patience).await;
                    }
                }
            }
        });
    }
    drop(listener);
    let Ok(graceful) = Arc::try_unwrap(graceful) else {
        return Ok(());
    };
    if tokio::time::timeout(api.settings.grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("the grace is over: requests that still run are cut off");
    }
    Ok(())
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

/// Answers the requests of one connection.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
    patience: Duration,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(ALIVE))
        .keep_alive_timeout(patience)
        .max_concurrent_streams(250);
    let (begun, service) = (AtomicBool::new(false), TowerToHyperService::new(router));
    let begun = Arc::new(begun);
    let service = {
        let begun = begun.clone();
        service_fn(move |request| {
            begun.store(true, Ordering::Relaxed);
            service.call(request)
        })
    };
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // The patience above begins with the first bytes, by which the version is told: this
    // one with the connection.
    let silent = async {
        tokio::time::sleep(patience).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    };
    tokio::select! {
        ended = watcher.watch(connection.into_owned()) => {
            if let Err(e) = ended {
                tracing::debug!(error = %e, "a connection broke");
            }
        }
        () = silent => tracing::debug!("a connection without a request was cut"),
    }
}
