//! The bytes below HTTP/2: TCP, with or without TLS.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::buffers::ReadAhead;

/// A connected stream that remembers what TLS said when it broke.
///
/// In TLS 1.3 a client has finished its handshake before the server has looked at the client's certificate: a server that
/// refuses it says so in an alert, which arrives in place of the first response. HTTP/2 reports such an error as text only.
/// That the alert is read although nothing can be written any more is the business of [`Gather`](crate::buffers::Gather).
pub(super) struct Stream {
    transport: Transport,
    alert: Arc<OnceLock<rustls::Error>>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "one a connection, and moved once"
)]
enum Transport {
    Plain(TcpStream),
    Tls(TlsStream<ReadAhead>),
}

impl Stream {
    pub(super) fn plain(stream: TcpStream) -> Stream {
        Stream::new(Transport::Plain(stream))
    }

    pub(super) fn tls(stream: TlsStream<ReadAhead>) -> Stream {
        Stream::new(Transport::Tls(stream))
    }

    fn new(transport: Transport) -> Stream {
        Stream {
            transport,
            alert: Arc::default(),
        }
    }

    /// Where the error of TLS that ended this stream will be found.
    pub(super) fn alert(&self) -> Arc<OnceLock<rustls::Error>> {
        self.alert.clone()
    }
}

/// The error of TLS in an error of I/O, if it is one.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Calls the same method of whichever transport this is.
macro_rules! transport {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match &mut $self.as_mut().get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Transport::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(transport!(self, poll_read(cx, buffer)));
        if let Some(error) = read.as_ref().err().and_then(tls_error) {
            self.alert.get_or_init(|| error.clone());
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        transport!(self, poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        transport!(self, poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        transport!(self, poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        transport!(self, poll_shutdown(cx))
    }
}
