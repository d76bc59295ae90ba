//! Peers that do as they are told: well, badly, or not at all.
//!
//! Each runs in a runtime of its own on a free port of the loopback, so that it can be killed: every one of its
//! connections breaks at once, as when a process dies.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::body::Frame;
use neuron_peer::{Identity, dendrite::Peer};
use neuron_proto::{
    Code, DType, Limits, Tensor,
    v1::{self, axon_server},
};
use neuron_wallet::PublicKey;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status, body::Body, codegen::Service, server::NamedService,
    transport::Server as Grpc,
};

use crate::LONG;

/// Values in a row of outputs.
pub(crate) const WIDTH: u32 = 3;

/// A peer that runs until it is killed or dropped.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    runtime: Option<Runtime>,
}

/// What a peer has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    pub(crate) cancelled: AtomicUsize,
    /// Connections that the other side has closed, as far as a black hole sees.
    pub(crate) closed: AtomicUsize,
    /// Whether an answer was sent in part.
    pub(crate) has_begun: AtomicBool,
    pub(crate) latest: Mutex<Option<v1::ForwardRequest>>,
    pub(crate) deadline: Mutex<Option<String>>,
    pub(crate) gradients: Mutex<Vec<v1::BackwardRequest>>,
}

impl Seen {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::SeqCst)
    }
}

impl Scripted {
    /// The peer as the metagraph would have it.
    pub(crate) fn peer(&self, uid: u16) -> Peer {
        peer(uid, self.address)
    }

    /// Ends the peer and every connection to it. Its address is free then.
    pub(crate) async fn kill(mut self) -> SocketAddr {
        if let Some(runtime) = self.runtime.take() {
            let end = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LONG));
            end.await.unwrap();
        }
        self.address
    }

    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Runs `serve` on a listener at `address`.
    async fn start<F>(
        address: SocketAddr,
        serve: impl FnOnce(TcpListener, Arc<Seen>) -> F,
    ) -> Scripted
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.spawn(TcpListener::bind(address));
        let listener = listener.await.unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        runtime.spawn(serve(listener, seen.clone()));
        Scripted {
            address,
            seen,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Some free port.
pub(crate) fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A plaintext peer whose hotkey is its uid.
pub(crate) fn peer(uid: u16, address: SocketAddr) -> Peer {
    let [high, low] = uid.to_be_bytes();
    let mut hotkey = [9; 32];
    hotkey[..2].copy_from_slice(&[high, low]);
    Peer {
        uid,
        hotkey: PublicKey(hotkey),
        address,
        plaintext: true,
    }
}

/// An address where nobody listens.
pub(crate) async fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    listener.local_addr().unwrap()
}

/// What is done to a good response.
pub(crate) type Twist = fn(&mut v1::ForwardResponse);

/// How a peer that speaks the protocol answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// One row of outputs for each row of inputs, each value the row's first input.
    First,
    /// The same, after a permit.
    Held(Arc<Semaphore>),
    /// Never.
    Never,
    /// A refusal.
    Refuse(Code),
    /// Whatever this makes of the good response.
    Twist(Twist),
}

/// A peer that speaks the protocol.
pub(crate) async fn axon(answer: Answer) -> Scripted {
    axon_at(anywhere(), answer).await
}

pub(crate) async fn axon_at(address: SocketAddr, answer: Answer) -> Scripted {
    Scripted::start(address, |listener, seen| async move {
        let service = axon_server::AxonServer::new(Axon {
            answer,
            seen: seen.clone(),
        });
        let (_, health) = tonic_health::server::health_reporter();
        let accepted = TcpListenerStream::new(listener).map(move |stream| {
            seen.connections.fetch_add(1, Ordering::SeqCst);
            stream
        });
        let server = Grpc::builder().add_service(health).add_service(service);
        server.serve_with_incoming(accepted).await.unwrap();
    })
    .await
}

/// The same over TLS.
pub(crate) async fn tls_axon(config: Arc<rustls::ServerConfig>) -> Scripted {
    tls_axon_at(anywhere(), config).await
}

pub(crate) async fn tls_axon_at(
    address: SocketAddr,
    config: Arc<rustls::ServerConfig>,
) -> Scripted {
    held_tls_axon_at(
        address,
        config,
        Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
    )
    .await
}

/// The same, which begins each handshake after a permit.
pub(crate) async fn held_tls_axon_at(
    address: SocketAddr,
    config: Arc<rustls::ServerConfig>,
    gate: Arc<Semaphore>,
) -> Scripted {
    Scripted::start(address, |listener, seen| async move {
        let service = axon_server::AxonServer::new(Axon {
            answer: Answer::First,
            seen: seen.clone(),
        });
        let acceptor = TlsAcceptor::from(config);
        let accepted = TcpListenerStream::new(listener)
            .then(move |stream| {
                let (acceptor, gate) = (acceptor.clone(), gate.clone());
                async move {
                    gate.acquire().await.unwrap().forget();
                    acceptor.accept(stream?).await.map(Tls)
                }
            })
            .filter(Result::is_ok);
        let server = Grpc::builder().add_service(service);
        server.serve_with_incoming(accepted).await.unwrap();
    })
    .await
}

/// The configuration of an honest axon.
pub(crate) fn honest(identity: &Identity) -> Arc<rustls::ServerConfig> {
    identity.server_config().unwrap()
}

/// A peer that takes connections and never says anything.
pub(crate) async fn black_hole() -> Scripted {
    Scripted::start(anywhere(), |listener, seen| async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            seen.connections.fetch_add(1, Ordering::SeqCst);
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut ignored = [0; 1024];
                while stream.read(&mut ignored).await.is_ok_and(|n| n > 0) {}
                seen.closed.fetch_add(1, Ordering::SeqCst);
            });
        }
    })
    .await
}

/// A peer that reads for a while and hangs up.
pub(crate) async fn hangs_up() -> Scripted {
    Scripted::start(anywhere(), |listener, seen| async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            seen.connections.fetch_add(1, Ordering::SeqCst);
            let mut preface = [0; 24];
            let _ = stream.read_exact(&mut preface).await;
        }
    })
    .await
}

/// How the answer of a [`raw`] peer goes on after its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With these trailers; without any, it just ends.
    Trailers(&'static [(&'static str, &'static str)]),
    /// It is broken off.
    Breaks,
    /// Nothing more comes.
    Hangs,
}

/// A peer that answers every request with these bytes.
pub(crate) async fn raw(
    head: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    end: End,
) -> Scripted {
    Scripted::start(anywhere(), |listener, seen| async move {
        let service = Raw {
            head,
            body: body.into(),
            end,
            seen,
        };
        let server = Grpc::builder().add_service(service);
        let accepted = TcpListenerStream::new(listener);
        server.serve_with_incoming(accepted).await.unwrap();
    })
    .await
}

struct Axon {
    answer: Answer,
    seen: Arc<Seen>,
}

/// Counts a request that is dropped before it was answered.
struct Unanswered<'a>(&'a Seen, bool);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Axon {
    async fn wait(&self) -> Result<(), Status> {
        match &self.answer {
            Answer::Held(gate) => gate.acquire().await.unwrap().forget(),
            Answer::Never => std::future::pending().await,
            Answer::Refuse(code) => return Err(code.status("not today")),
            Answer::First | Answer::Twist(_) => (),
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl axon_server::Axon for Axon {
    async fn forward(
        &self,
        request: Request<v1::ForwardRequest>,
    ) -> Result<Response<v1::ForwardResponse>, Status> {
        let mut unanswered = Unanswered(&self.seen, true);
        let deadline = request.metadata().get("grpc-timeout");
        *self.seen.deadline.lock().unwrap() =
            deadline.map(|deadline| deadline.to_str().unwrap().to_owned());
        let request = request.into_inner();
        *self.seen.latest.lock().unwrap() = Some(request.clone());
        self.seen.requests.fetch_add(1, Ordering::SeqCst);
        self.wait().await?;
        let mut response = good(request);
        if let Answer::Twist(twist) = self.answer {
            twist(&mut response);
        }
        unanswered.1 = false;
        Ok(Response::new(response))
    }

    async fn backward(
        &self,
        request: Request<v1::BackwardRequest>,
    ) -> Result<Response<v1::BackwardResponse>, Status> {
        self.seen.requests.fetch_add(1, Ordering::SeqCst);
        self.wait().await?;
        let mut gradients = self.seen.gradients.lock().unwrap();
        gradients.push(request.into_inner());
        Ok(Response::new(v1::BackwardResponse {
            code: Code::Success.into(),
            message: String::new(),
        }))
    }

    async fn describe(
        &self,
        _: Request<v1::DescribeRequest>,
    ) -> Result<Response<v1::DescribeResponse>, Status> {
        Ok(Response::new(v1::DescribeResponse {
            protocol_version: neuron_proto::PROTOCOL_VERSION,
            software_version: "scripted".to_owned(),
            hotkey: peer(7, anywhere()).hotkey.0.to_vec().into(),
            ..Default::default()
        }))
    }
}

/// Each row's first input, [`WIDTH`] times, in the precision that was asked for; of the likeliest classes, the first ones.
fn good(request: v1::ForwardRequest) -> v1::ForwardResponse {
    let inputs = Tensor::decode(request.inputs.unwrap(), &Limits::default()).unwrap();
    let rows = inputs.rows();
    let values = inputs.to_f32().unwrap();
    let per_row = values.len() / rows as usize;
    let firsts = values.chunks(per_row).map(|row| row[0]);
    let outputs: Vec<f32> = firsts.flat_map(|first| [first; WIDTH as usize]).collect();
    let reply = DType::try_from(request.reply).unwrap_or(DType::F32);
    let outputs = Tensor::from_f32(&[rows, WIDTH], &outputs).unwrap();
    let (outputs, classes) = match request.n_likeliest {
        0 => (outputs, None),
        n => likeliest(rows, n),
    };
    v1::ForwardResponse {
        code: Code::Success.into(),
        message: String::new(),
        outputs: Some(outputs.cast(reply).unwrap().encode()),
        timing: Some(v1::Timing {
            queue_us: 1_000,
            compute_us: 2_000,
            batch_rows: rows,
        }),
        classes: classes.map(Tensor::encode),
    }
}

/// Of each row, the first `n` classes, each with a probability of e⁻².
pub(crate) fn likeliest(rows: u32, n: u32) -> (Tensor, Option<Tensor>) {
    let logarithms = vec![-2.0; (rows * n) as usize];
    let classes: Vec<i64> = (0..rows).flat_map(|_| 0..i64::from(n)).collect();
    (
        Tensor::from_f32(&[rows, n], &logarithms).unwrap(),
        Some(Tensor::from_i64(&[rows, n], &classes).unwrap()),
    )
}

/// Answers below gRPC.
#[derive(Clone)]
struct Raw {
    head: &'static [(&'static str, &'static str)],
    body: Bytes,
    end: End,
    seen: Arc<Seen>,
}

impl NamedService for Raw {
    const NAME: &'static str = "neuron.v1.Axon";
}

impl Service<http::Request<Body>> for Raw {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        self.seen.requests.fetch_add(1, Ordering::SeqCst);
        let frames = Frames {
            body: Some(self.body.clone()).filter(|body| !body.is_empty()),
            end: Some(self.end),
            seen: self.seen.clone(),
        };
        let mut response = http::Response::new(Body::new(frames));
        *response.headers_mut() = headers(self.head);
        std::future::ready(Ok(response))
    }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
        .collect()
}

/// The body of a [`Raw`] answer: these bytes, then its end.
struct Frames {
    body: Option<Bytes>,
    end: Option<End>,
    seen: Arc<Seen>,
}

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(body) = self.body.take() {
            return Poll::Ready(Some(Ok(Frame::data(body))));
        }
        self.seen.has_begun.store(true, Ordering::SeqCst);
        match self.end {
            Some(End::Hangs) => Poll::Pending,
            Some(End::Breaks) => {
                self.end = None;
                Poll::Ready(Some(Err(Status::internal("broken off"))))
            }
            Some(End::Trailers([])) | None => Poll::Ready(None),
            Some(End::Trailers(trailers)) => {
                self.end = None;
                Poll::Ready(Some(Ok(Frame::trailers(headers(trailers)))))
            }
        }
    }
}

/// A TLS connection that tonic takes.
struct Tls(tokio_rustls::server::TlsStream<TcpStream>);

impl tonic::transport::server::Connected for Tls {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Waits until something is so, for [`LONG`] at most.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, wait)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {LONG:?}"));
}
