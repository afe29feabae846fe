//! The network between a store and its database, at the mercy of the test.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It delivers.
    Up,
    /// It delivers nothing and says nothing; connections are made all the same.
    Silent,
    /// Connections are closed, new ones too.
    Cut,
}

/// Forwards connections to a server.
pub struct Proxy {
    pub port: u16,
    line: watch::Sender<Line>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    pub async fn to(server: String, line: Line) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, state) = watch::channel(line);
        let accept = async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                // Its end is that of the line or of one of the sides.
                tokio::spawn(forward(client, server.clone(), state.clone()));
            }
        };
        Self {
            port,
            line,
            _task: AbortOnDropHandle::new(tokio::spawn(accept)),
        }
    }

    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

async fn forward(client: TcpStream, server: String, line: watch::Receiver<Line>) {
    let mut cut = line.clone();
    if *cut.borrow() == Line::Cut {
        return;
    }
    let pumps = async {
        let server = TcpStream::connect(server).await.unwrap();
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::select! {
            () = pump(from_client, to_server, line.clone()) => {}
            () = pump(from_server, to_client, line) => {}
        }
    };
    tokio::select! {
        () = pumps => {}
        // An error: the test is over.
        _ = cut.wait_for(|line| *line == Line::Cut) => {}
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if line.wait_for(|line| *line == Line::Up).await.is_err() || read == 0 {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
