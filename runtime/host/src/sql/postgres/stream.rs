//! The way to a server: TLS, and a bound on how long a message may be. A driver reads a
//! message whole before anybody sees it, and a row may have a gigabyte.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

/// How long a message may be, and whether one was longer.
#[derive(Clone)]
pub(super) struct Measure {
    pub(super) most: usize,
    pub(super) passed: Arc<AtomicBool>,
}

/// A server's words, measured message by message: a byte that says its kind, four of its
/// length with these, and the rest.
pub(super) struct Measured<S> {
    inner: S,
    measure: Measure,
    head: [u8; HEAD],
    /// Bytes of the head that have come.
    has: usize,
    /// Bytes of the message that are still to come.
    left: usize,
}

const HEAD: usize = 5;

impl<S> Measured<S> {
    pub(super) fn new(inner: S, measure: Measure) -> Self {
        Measured {
            inner,
            measure,
            head: [0; HEAD],
            has: 0,
            left: 0,
        }
    }

    fn measure(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = bytes.len().min(self.left);
                (self.left, bytes) = (self.left - passed, &bytes[passed..]);
                continue;
            }
            let taken = bytes.len().min(HEAD - self.has);
            self.head[self.has..self.has + taken].copy_from_slice(&bytes[..taken]);
            (self.has, bytes) = (self.has + taken, &bytes[taken..]);
            if self.has == HEAD {
                let [_, length @ ..] = self.head;
                self.left = (u32::from_be_bytes(length) as usize).saturating_sub(HEAD - 1);
                self.has = 0;
                if self.left > self.measure.most {
                    self.measure.passed.store(true, Ordering::Release);
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Measured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        Poll::Ready(self.measure(&buf.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Measured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Measured<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Encrypts one connection.
pub(super) struct Handshake {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    pub(super) measure: Measure,
}

type Encrypted = Measured<tokio_rustls::client::TlsStream<TcpStream>>;

impl TlsConnect<TcpStream> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        Box::pin(async move {
            let connector = TlsConnector::from(self.config);
            let stream = connector.connect(self.name, stream).await?;
            Ok(Measured::new(stream, self.measure))
        })
    }
}

/// What a connection trusts: the system's authorities and these beside them; or whoever
/// answers.
pub(super) fn config(
    verified: bool,
    trusted: &[CertificateDer<'static>],
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    if !verified {
        let whoever = Arc::new(Whoever(provider));
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(whoever);
        return Ok(builder.with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs().certs;
    roots.add_parsable_certificates(system.into_iter().chain(trusted.iter().cloned()));
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Takes any certificate, as `sslmode=require` does everywhere: nobody who only listens
/// reads what is said.
#[derive(Debug)]
struct Whoever(Arc<CryptoProvider>);

impl ServerCertVerifier for Whoever {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: usize) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend((body as u32 + 4).to_be_bytes());
        bytes.resize(HEAD + body, 7);
        bytes
    }

    #[test]
    fn a_message_that_is_too_long_is_seen_by_its_head() {
        let measure = Measure {
            most: 10,
            passed: Arc::default(),
        };
        let mut measured = Measured::new((), measure.clone());
        let mut bytes = [message(b'D', 10), message(b'D', 0), message(b'D', 9)].concat();
        bytes.extend(&message(b'D', 11)[..HEAD]);
        // However it comes in pieces.
        let (last, all) = bytes.split_last().unwrap();
        for piece in all.chunks(3) {
            measured.measure(piece).unwrap();
        }
        assert!(!measure.passed.load(Ordering::Relaxed));
        assert!(measured.measure(&[*last]).is_err());
        assert!(measure.passed.load(Ordering::Relaxed));
    }
}
