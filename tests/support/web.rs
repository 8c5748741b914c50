//! Another host, as tasks meet one: it answers by path, well or badly, and keeps what it
//! was sent.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Kept {
    /// Each request, head and body, as it came.
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
    /// Connections that the other side ended.
    left: AtomicUsize,
}

/// Listens for as long as the test runs.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    kept: Arc<Kept>,
}

impl Web {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::<Kept>::default();
        let keep = kept.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                keep.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, keep.clone()));
            }
        });
        Web { address, kept }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of a path, by the name or address of a host.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port())
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.kept.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.kept.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn left(&self) -> usize {
        self.kept.left.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: TcpStream, kept: Arc<Kept>) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    kept.requests.lock().unwrap().push(request);
    // Where the other side goes away in the middle, there is nobody to tell.
    let _ = answer(&mut stream, &path).await;
    if let Ok(0) | Err(_) = stream.read(&mut [0; 1]).await {
        kept.left.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request with as much of a body as it says.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lines = head.lines().filter_map(|it| it.split_once(": "));
            let mut lines = lines.filter(|it| it.0.eq_ignore_ascii_case("content-length"));
            let length = lines.next().map_or(0, |it| it.1.parse().unwrap());
            if body.len() >= length {
                return Some(text.into_owned());
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            // Who begins with TLS is told in plain words that there is none.
            Ok(_) if bytes.is_empty() && chunk[0] == 0x16 => {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                return None;
            }
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

async fn answer(stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
    let plain = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-said: yes\r\n";
    match path.split_once('?').unwrap_or((path, "")) {
        ("/redirect", to) => {
            let head = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
        // As many bytes as it says.
        ("/sized", length) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let body = vec![b'x'; length.parse().unwrap()];
            stream.write_all(&body).await
        }
        ("/endless", _) => {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        // A byte now and then, and never the last.
        ("/dripping", _) => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
                .await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        ("/headers", length) => {
            let long = "y".repeat(length.parse().unwrap());
            let head = format!("{plain}x-long: {long}\r\n\r\nhello");
            stream.write_all(head.as_bytes()).await
        }
        ("/hops", _) => {
            let head = format!("{plain}connection: x-hop\r\nkeep-alive: 7\r\n\r\nhello");
            stream.write_all(head.as_bytes()).await
        }
        ("/nonsense", _) => {
            stream
                .write_all(b"220 mail.example.com ESMTP\r\n\r\n")
                .await
        }
        ("/silent", _) => Ok(()),
        _ => {
            stream
                .write_all(format!("{plain}\r\nhello").as_bytes())
                .await
        }
    }
}
