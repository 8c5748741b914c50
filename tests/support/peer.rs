//! Another host that speaks no HTTP: it takes connections, and keeps what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a connection.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers with all that it was sent, once there is no more.
    Echo,
    /// Reads, and says nothing.
    Silent,
    /// Reads nothing.
    Deaf,
    /// Takes mail, but for one that nobody here gets.
    Mail,
}

#[derive(Default)]
struct Kept {
    /// What each connection that has ended had sent.
    said: Vec<String>,
    begun: usize,
    ended: usize,
}

/// Listens for as long as the test runs.
pub(crate) struct Peer {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Peer {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::<Mutex<Kept>>::default();
        let keep = kept.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                keep.lock().unwrap().begun += 1;
                let keep = keep.clone();
                tokio::spawn(async move {
                    let said = serve(stream, manner).await;
                    let mut kept = keep.lock().unwrap();
                    kept.said.push(said);
                    kept.ended += 1;
                });
            }
        });
        Peer { address, kept }
    }

    pub(crate) async fn echo() -> Self {
        Peer::start(Manner::Echo).await
    }

    pub(crate) async fn silent() -> Self {
        Peer::start(Manner::Silent).await
    }

    pub(crate) async fn deaf() -> Self {
        Peer::start(Manner::Deaf).await
    }

    pub(crate) async fn mail() -> Self {
        Peer::start(Manner::Mail).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.kept.lock().unwrap().said.clone()
    }

    /// Connections that it took, and those of them that have ended.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let kept = self.kept.lock().unwrap();
        (kept.begun, kept.ended)
    }
}

/// Serves a connection to its end; what was said.
async fn serve(stream: TcpStream, manner: Manner) -> String {
    let mut stream = BufReader::new(stream);
    let mut said = Vec::new();
    match manner {
        Manner::Echo => {
            if stream.read_to_end(&mut said).await.is_ok() {
                let _ = stream.get_mut().write_all(&said).await;
            }
        }
        Manner::Silent => {
            let _ = stream.read_to_end(&mut said).await;
        }
        Manner::Deaf => std::future::pending().await,
        Manner::Mail => {
            let _ = mail(&mut stream, &mut said).await;
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

async fn mail(stream: &mut BufReader<TcpStream>, said: &mut Vec<u8>) -> std::io::Result<()> {
    stream.get_mut().write_all(b"220 here\r\n").await?;
    let mut data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        said.extend(line.as_bytes());
        let reply = match line.trim_end() {
            "." if data => {
                data = false;
                "250 taken"
            }
            _ if data => continue,
            "DATA" => {
                data = true;
                "354 go on"
            }
            "RCPT TO:<nobody@example.com>" => "550 nobody of that name",
            "QUIT" => "221 bye",
            "EHLO lovage" => "250-here\r\n250 8BITMIME",
            _ => "250 well",
        };
        stream
            .get_mut()
            .write_all(format!("{reply}\r\n").as_bytes())
            .await?;
    }
}
