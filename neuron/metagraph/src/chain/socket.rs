//! The websocket to a node, with acknowledgements that are not put off.
//!
//! A node sends an answer of more than a few kilobytes in two writes and leaves Nagle's algorithm on, so the second waits until
//! the first is acknowledged; and the receiver's system puts that off for up to 40 ms, in case there is something to send along
//! (RFC 1122, 4.2.3.2). Together they cost each such answer 40 ms, whatever its size and however near the node. The receiver can
//! do something about its half: acknowledge as soon as it has read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use jsonrpsee_client::{
    client_transport::ws::Url,
    core::client::Error,
    ws_client::{WsClient, WsClientBuilder},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Messages of a subscription that wait to be read, at most. A head that is not read in time is followed by a newer one.
const SUBSCRIPTION_BUFFER: usize = 4096;

/// Connects to `url`: `ws://host:port`, or `wss://` with the system's certificates.
pub(super) async fn open(url: &str) -> Result<WsClient, Error> {
    let builder = WsClientBuilder::new().max_buffer_capacity_per_subscription(SUBSCRIPTION_BUFFER);
    let parsed = Url::parse(url).map_err(|error| Error::Transport(error.into()))?;
    match (parsed.scheme(), parsed.host_str()) {
        ("ws", Some(host)) => {
            // The brackets of an IPv6 address belong to the URL.
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let port = parsed.port_or_known_default().unwrap_or(80);
            let stream = Prompt::connect(host, port)
                .await
                .map_err(|error| Error::Transport(error.into()))?;
            builder.build_with_stream(url, stream).await
        }
        _ => builder.build(url).await,
    }
}

/// A connection whose received data is acknowledged as soon as it is read, and whose own is sent at once.
#[derive(Debug)]
struct Prompt(TcpStream);

impl Prompt {
    async fn connect(host: &str, port: u16) -> io::Result<Prompt> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Prompt(stream))
    }

    /// Acknowledges what has been read. Where the system cannot be told to, it does so when it likes.
    fn acknowledge(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Err(error) = socket2::SockRef::from(&self.0).set_tcp_quickack(true) {
            tracing::trace!(%error, "acknowledgements are put off");
        }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read {
            self.acknowledge();
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
