//! A TCP proxy that can be cut: all connections end at once, and new ones end as soon as they are made.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Connections at a time; the services' pools have some ten.
const MOST: usize = 256;

/// A proxy on loopback. It ends with this.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// For as long as this is there, nobody gets through.
#[derive(Debug)]
pub(super) struct Cut<'a>(&'a Proxy);

impl Proxy {
    /// A proxy to `upstream`, `HOST:PORT`, on a free port.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(upstream: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (open, state) = watch::channel(true);
        let task = tokio::spawn(serve(listener, upstream, state));
        Ok(Self { port, open, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(super) fn cut(&self) -> Cut<'_> {
        self.open.send_replace(false);
        Cut(self)
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        self.0.open.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, upstream: String, open: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                if *open.borrow() && connections.len() < MOST {
                    connections.spawn(pass(client, upstream.clone(), open.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries bytes to and fro, until one side is done or the line is cut.
async fn pass(mut client: TcpStream, upstream: String, mut open: watch::Receiver<bool>) {
    let through = async {
        let mut server = TcpStream::connect(upstream).await?;
        // Both ends wait for each other's small messages.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        // Whatever ended it, both connections are closed.
        _ = through => {}
        _ = open.wait_for(|open| !open) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Sends back what it gets.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn says(stream: &mut TcpStream) -> std::io::Result<usize> {
        stream.write_all(b"x").await?;
        stream.read(&mut [0; 8]).await
    }

    #[tokio::test]
    async fn nothing_passes_while_it_is_cut_and_all_before_and_after() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut before = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(says(&mut before).await.unwrap(), 1);
        let cut = proxy.cut();
        assert!(!matches!(says(&mut before).await, Ok(1)), "an old connection is cut");
        let mut during = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(
            !matches!(says(&mut during).await, Ok(1)),
            "a new one does not get through"
        );
        drop(cut);
        let mut after = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(says(&mut after).await.unwrap(), 1);
    }
}
