//! Servers that give back the tensor that they are sent, each in a process of its own.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    pin::Pin,
    process::Stdio,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use neuron_benches::neurons::{Echo, axon_config};
use neuron_peer::{
    Identity, Member, Roster,
    axon::{self, Security},
    nucleus::{Nucleus, NucleusConfig},
};
use neuron_proto::{
    Code, Modality,
    v1::{self, axon_server},
};
use neuron_wallet::Keypair;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::server::Connected};

use super::WIDTH;

/// What the slow model takes for a batch.
pub(crate) const SLOW: Duration = Duration::from_millis(1_500);

/// Whom a server is.
pub(crate) fn server_key() -> Result<Keypair> {
    Ok(Keypair::from_uri("//Bob")?)
}

/// Whom the client is.
pub(crate) fn client_key() -> Result<Keypair> {
    Ok(Keypair::from_uri("//Alice")?)
}

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// This project's axon.
    Axon,
    /// tonic over TLS.
    Tls,
    /// tonic.
    Plain,
    /// An axon whose model takes [`SLOW`].
    Slow,
}

impl Kind {
    /// Those that are compared.
    pub(crate) const ECHOES: [Kind; 3] = [Kind::Axon, Kind::Tls, Kind::Plain];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Axon => "axon",
            Kind::Tls => "tls",
            Kind::Plain => "plain",
            Kind::Slow => "slow",
        }
    }
}

/// A running server. It ends with this value, and with the process that started it, however that ends.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    pub(crate) process: u32,
    _child: Child,
}

impl Server {
    /// Starts this program again, as a server.
    pub(crate) async fn start(kind: Kind) -> Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", kind.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("a server without an output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        Ok(Server {
            kind,
            address: line
                .trim()
                .parse()
                .context("a server that does not start")?,
            process: child.id().context("a server that has ended")?,
            _child: child,
        })
    }
}

/// Serves on a free port, which it prints, until its standard input ends.
pub(crate) async fn serve(kind: Kind) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    let orphaned = CancellationToken::new();
    let token = orphaned.clone();
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        token.cancel();
    });
    match kind {
        Kind::Axon => serve_axon(listener, Duration::ZERO, orphaned).await,
        Kind::Slow => serve_axon(listener, SLOW, orphaned).await,
        Kind::Tls => {
            let acceptor = TlsAcceptor::from(Identity::new(server_key()?)?.server_config()?);
            let accept = move |stream: io::Result<TcpStream>| {
                let acceptor = acceptor.clone();
                async move { acceptor.accept(no_delay(stream)?).await.map(Tls) }
            };
            let accepted = TcpListenerStream::new(listener).then(accept);
            serve_tonic(accepted, orphaned).await
        }
        Kind::Plain => serve_tonic(TcpListenerStream::new(listener).map(no_delay), orphaned).await,
    }
}

fn no_delay(stream: io::Result<TcpStream>) -> io::Result<TcpStream> {
    let stream = stream?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn serve_axon(listener: TcpListener, delay: Duration, end: CancellationToken) -> Result<()> {
    let member = Member {
        uid: 0,
        hotkey: client_key()?.public(),
        stake: 1_000_000_000,
        validator_permit: true,
        address: None,
        plaintext: false,
    };
    let (_rosters, roster) = watch::channel(Arc::new(Roster::new(1, [member])));
    let echo = Box::new(Echo {
        width: WIDTH,
        delay,
    });
    let (nucleus, guard) = Nucleus::start(echo, NucleusConfig::default())?;
    let config = axon_config(Modality::Tensor);
    let security = Security::Tls(Identity::new(server_key()?)?);
    axon::serve(listener, config, security, roster, nucleus, None, end).await?;
    guard.stopped().await;
    Ok(())
}

async fn serve_tonic<S>(
    accepted: impl tokio_stream::Stream<Item = io::Result<S>>,
    end: CancellationToken,
) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    tonic::transport::Server::builder()
        .add_service(axon_server::AxonServer::new(Bare))
        .serve_with_incoming_shutdown(accepted, end.cancelled())
        .await?;
    Ok(())
}

/// Gives back what it is sent, unread.
struct Bare;

#[tonic::async_trait]
impl axon_server::Axon for Bare {
    async fn forward(
        &self,
        request: Request<v1::ForwardRequest>,
    ) -> Result<Response<v1::ForwardResponse>, Status> {
        Ok(Response::new(v1::ForwardResponse {
            code: Code::Success.into(),
            outputs: request.into_inner().inputs,
            ..Default::default()
        }))
    }

    async fn backward(
        &self,
        _: Request<v1::BackwardRequest>,
    ) -> Result<Response<v1::BackwardResponse>, Status> {
        Err(Code::NotImplemented.status("only Forward is measured"))
    }

    async fn describe(
        &self,
        _: Request<v1::DescribeRequest>,
    ) -> Result<Response<v1::DescribeResponse>, Status> {
        Err(Code::NotImplemented.status("only Forward is measured"))
    }
}

/// A TLS connection that tonic takes.
struct Tls(TlsStream<TcpStream>);

impl Connected for Tls {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
