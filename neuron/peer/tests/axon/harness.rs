//! An axon on a free port of loopback, with a scripted model behind it and clients of every kind before it.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{Shutdown, SocketAddr},
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use neuron_peer::{
    Identity, Member, Roster,
    axon::{self, AxonConfig, AxonError, GradientSender, Rate, Security},
    identity::{
        Purpose,
        certificate::{self, Validity},
    },
    nucleus::{JoinGuard, Model, ModelError, Nucleus, NucleusConfig, SynapseSpec},
};
use neuron_proto::{DType, Likeliest, Modality, Output, Tensor, v1::axon_client::AxonClient};
use neuron_wallet::{Keypair, PublicKey};
use prometheus::{Registry, TextEncoder};
use prost::Message;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring::{default_provider, sign::any_ecdsa_type},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

/// Longest that anything may take; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn key(uri: &str) -> Keypair {
    Keypair::from_uri(uri).unwrap()
}

pub(crate) fn identity(uri: &str) -> Identity {
    Identity::new(key(uri)).unwrap()
}

pub(crate) fn member(uri: &str, uid: u16, stake: u64) -> Member {
    let hotkey = key(uri).public();
    Member {
        uid,
        hotkey,
        stake,
        validator_permit: false,
        address: None,
        plaintext: false,
    }
}

/// What the first number of a row is that makes a [`Doubler`] fail.
pub(crate) const UNLUCKY: f32 = 13.0;

/// Doubles rows of `width` numbers, and predicts one of two classes by their sum; a row that begins with [`UNLUCKY`] makes
/// it fail. Before each batch, it waits for a turn if it was given a [`Script`].
#[derive(Default)]
pub(crate) struct Doubler {
    pub(crate) width: u32,
    pub(crate) script: Option<Turns>,
}

/// The model's side of a [`Script`].
pub(crate) struct Turns {
    began: tokio::sync::mpsc::UnboundedSender<u32>,
    turn: mpsc::Receiver<()>,
}

/// Says what the model does when.
pub(crate) struct Script {
    began: tokio::sync::mpsc::UnboundedReceiver<u32>,
    turn: mpsc::Sender<()>,
}

impl Script {
    /// Waits until the model holds a batch. How many rows it has.
    pub(crate) async fn began(&mut self) -> u32 {
        within(self.began.recv()).await.unwrap()
    }

    /// Lets the model go on with it.
    pub(crate) fn proceed(&self) {
        self.turn.send(()).unwrap();
    }

    /// Lets the model go on with everything from now on. How many batches it has begun meanwhile is no longer asked.
    pub(crate) fn proceed_for_ever(self) -> tokio::sync::mpsc::UnboundedReceiver<u32> {
        self.began
    }
}

impl Model for Doubler {
    fn synapses(&self) -> Vec<SynapseSpec> {
        vec![SynapseSpec {
            modality: Modality::Tensor,
            input_dtypes: vec![DType::F32],
            input_shape: vec![self.width],
            output_shape: vec![self.width],
            prediction_shape: Some(vec![2]),
            tokenizer: None,
            accepts_gradients: true,
        }]
    }

    fn forward(&mut self, _: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        if let Some(turns) = &self.script {
            let _ = turns.began.send(inputs.rows());
            // An error is a script that has ended: go on.
            let _ = turns.turn.recv();
        }
        let values = inputs.to_f32().unwrap();
        let mut rows = values.chunks(self.width as usize);
        if rows.any(|row| row.first() == Some(&UNLUCKY)) {
            return Err(ModelError::Failed("a row is unlucky".to_owned()));
        }
        let values = values.iter().map(|value| value * 2.0).collect();
        Ok(Tensor::from_f32_vec(inputs.shape(), values).unwrap())
    }

    fn predict(&mut self, _: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        let values = inputs.to_f32().unwrap();
        let sums = values
            .chunks(self.width as usize)
            .map(|row| row.iter().sum());
        let predictions: Vec<f32> = sums.flat_map(|sum: f32| [sum, -sum]).collect();
        Ok(Tensor::from_f32_vec(&[inputs.rows(), 2], predictions).unwrap())
    }

    /// Of one or both: the second class first where the sum is negative.
    fn likeliest(
        &mut self,
        _: Modality,
        _: Output,
        n: NonZeroU32,
        inputs: &Tensor,
        _: usize,
    ) -> Result<Likeliest, ModelError> {
        let values = inputs.to_f32().unwrap();
        let (mut logarithms, mut classes) = (Vec::new(), Vec::new());
        for row in values.chunks(self.width as usize) {
            let first = i64::from(row.iter().sum::<f32>() < 0.0);
            logarithms.extend_from_slice(&[-0.5, -1.0][..n.get() as usize]);
            classes.extend_from_slice(&[first, 1 - first][..n.get() as usize]);
        }
        let shape = [inputs.rows(), n.get()];
        let logarithms = Tensor::from_f32_vec(&shape, logarithms).unwrap();
        let classes = Tensor::from_i64(&shape, &classes).unwrap();
        Ok(Likeliest::new(logarithms, classes, 2).unwrap())
    }
}

/// What a test chooses.
pub(crate) struct Setup {
    pub(crate) config: AxonConfig,
    pub(crate) nucleus: NucleusConfig,
    pub(crate) model: Doubler,
    pub(crate) members: Vec<Member>,
    pub(crate) gradients: Option<GradientSender>,
    pub(crate) is_plaintext: bool,
}

impl Default for Setup {
    /// Alice and Bob are registered; the axon is that of Ferdie, who is not.
    fn default() -> Setup {
        Setup {
            config: patient(),
            nucleus: NucleusConfig::default(),
            model: Doubler {
                width: 2,
                script: None,
            },
            members: vec![member("//Alice", 0, 100), member("//Bob", 1, 5)],
            gradients: None,
            is_plaintext: false,
        }
    }
}

impl Setup {
    /// The default, with a model that does as the script says.
    pub(crate) fn scripted() -> (Setup, Script) {
        Setup::scripted_with_width(2)
    }

    /// The same for rows of another width.
    pub(crate) fn scripted_with_width(width: u32) -> (Setup, Script) {
        let (began, has_begun) = tokio::sync::mpsc::unbounded_channel();
        let (turn, is_turn) = mpsc::channel();
        let turns = Turns {
            began,
            turn: is_turn,
        };
        let script = Script {
            began: has_begun,
            turn,
        };
        let model = Doubler {
            width,
            script: Some(turns),
        };
        let setup = Setup {
            model,
            ..Setup::default()
        };
        (setup, script)
    }
}

/// As by default, but for handshakes: in a test all come from one address, and on a machine that has other things to do they
/// may take long. A client is done with one before the axon is.
pub(crate) fn patient() -> AxonConfig {
    AxonConfig {
        handshake_timeout: PATIENCE,
        max_handshakes_per_address: 64,
        handshake_rate_per_address: Rate {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::new(1_000_000).unwrap(),
        },
        ..AxonConfig::default()
    }
}

/// One that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) hotkey: PublicKey,
    pub(crate) roster: watch::Sender<Arc<Roster>>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) registry: Registry,
    pub(crate) nucleus: Nucleus,
    served: JoinHandle<Result<(), AxonError>>,
    guard: Option<JoinGuard>,
}

impl Setup {
    pub(crate) async fn start(self) -> Running {
        let Setup { model, .. } = self;
        let rest = Setup {
            model: Doubler::default(),
            ..self
        };
        rest.start_with(model).await
    }

    /// With another model than that of the set-up.
    pub(crate) async fn start_with(self, model: impl Model) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let registry = Registry::new();
        self.config.metrics.register(&registry).unwrap();
        let (nucleus, guard) = Nucleus::start(Box::new(model), self.nucleus).unwrap();
        let (roster, watch) = watch::channel(Arc::new(Roster::new(1, self.members)));
        let shutdown = CancellationToken::new();
        let hotkey = key("//Ferdie").public();
        let security = match self.is_plaintext {
            false => Security::Tls(identity("//Ferdie")),
            true => Security::PlaintextOnLoopback { hotkey },
        };
        let (config, gradients, ended) = (self.config, self.gradients, shutdown.clone());
        let asked = nucleus.clone();
        let served = tokio::spawn(async move {
            axon::serve(listener, config, security, watch, asked, gradients, ended).await
        });
        Running {
            address,
            hotkey,
            roster,
            shutdown,
            registry,
            nucleus,
            served,
            guard: Some(guard),
        }
    }
}

impl Running {
    /// A connection by a neuron as it should be.
    pub(crate) async fn channel(&self, uri: &str) -> Channel {
        let config = identity(uri).client_config(self.hotkey).unwrap();
        self.connect(config, Pause::default()).await.unwrap()
    }

    pub(crate) async fn client(&self, uri: &str) -> AxonClient<Channel> {
        AxonClient::new(self.channel(uri).await).max_decoding_message_size(usize::MAX)
    }

    /// A connection by whoever this is.
    pub(crate) async fn connect(
        &self,
        config: Arc<ClientConfig>,
        pause: Pause,
    ) -> Result<Channel, tonic::transport::Error> {
        let address = self.address;
        let connect = move |_| {
            let (config, pause) = (config.clone(), pause.clone());
            async move {
                let stream = Pausable {
                    inner: TcpStream::connect(address).await?,
                    pause,
                };
                let name = ServerName::from(address.ip());
                let stream = TlsConnector::from(config).connect(name, stream).await?;
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        };
        endpoint(address)
            .connect_with_connector(tower::service_fn(connect))
            .await
    }

    /// A connection below gRPC, by a neuron as it should be.
    pub(crate) async fn raw(&self, uri: &str) -> Raw {
        let config = identity(uri).client_config(self.hotkey).unwrap();
        let socket = TcpStream::connect(self.address).await.unwrap();
        let socket = socket.into_std().unwrap();
        let stream = TcpStream::from_std(socket.try_clone().unwrap()).unwrap();
        let name = ServerName::from(self.address.ip());
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .unwrap();
        let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(driver);
        Raw { sender, socket }
    }

    /// Waits until so many requests wait for the model.
    pub(crate) async fn queued(&self, n_requests: usize) {
        within(async {
            while self.nucleus.load().requests != n_requests {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metric = &family.unwrap().get_metric()[0];
        metric.get_gauge().get_value() + metric.get_counter().get_value()
    }

    /// Ends the nucleus alone.
    pub(crate) async fn stop_nucleus(&mut self) {
        let guard = self.guard.take().unwrap();
        within(guard.stopped()).await;
    }

    /// Without TLS.
    pub(crate) async fn plain_channel(&self) -> Channel {
        endpoint(self.address).connect().await.unwrap()
    }

    /// Whether a line of the metrics is there.
    pub(crate) fn counts(&self, line: &str) -> bool {
        let text = TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap();
        text.lines().any(|is| is == line)
    }

    /// Waits until a line of the metrics is there.
    pub(crate) async fn counted(&self, line: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.counts(line) {
            let text = TextEncoder::new()
                .encode_to_string(&self.registry.gather())
                .unwrap();
            assert!(
                tokio::time::Instant::now() < deadline,
                "no {line} in\n{text}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(self) {
        within(self.served).await.unwrap().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await;
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

/// Fails the test rather than wait for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

/// A client that can send what no library of gRPC would. Vanishes when it is dropped.
pub(crate) struct Raw {
    sender: http2::SendRequest<Sent>,
    socket: std::net::TcpStream,
}

impl Drop for Raw {
    fn drop(&mut self) {
        // An error is a connection that has ended already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Raw {
    /// Sends a request; what answers it in its headers.
    pub(crate) fn send(
        &self,
        path: &str,
        timeout: Option<&str>,
        sent: Sent,
    ) -> impl Future<Output = Result<Status, hyper::Error>> + use<> {
        let mut request = http::Request::post(format!("https://axon{path}"))
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let mut sender = self.sender.clone();
        async move {
            let response = sender.send_request(request.body(sent).unwrap()).await?;
            let status = Status::from_header_map(response.headers());
            Ok(status.unwrap_or_else(|| Status::ok("with a body")))
        }
    }
}

/// The body of a raw request: these bytes, and then its end or nothing.
pub(crate) struct Sent {
    bytes: Option<Bytes>,
    is_whole: bool,
}

impl Sent {
    /// All of it.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Sent {
        Sent {
            bytes: Some(bytes.into()),
            is_whole: true,
        }
    }

    /// A part, after which nothing more comes.
    pub(crate) fn part(bytes: impl Into<Bytes>) -> Sent {
        Sent {
            is_whole: false,
            ..Sent::whole(bytes)
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.is_whole => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// A message as gRPC frames it.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = u32::try_from(message.encoded_len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &message.encode_to_vec()]
        .concat()
        .into()
}

/// Whether a client has stopped reading.
#[derive(Clone, Default)]
pub(crate) struct Pause(Arc<AtomicBool>);

impl Pause {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A socket that can stop being read.
struct Pausable {
    inner: TcpStream,
    pause: Pause,
}

impl AsyncRead for Pausable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pause.0.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pausable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// A client that shows this certificate, whatever it says, and believes any server.
pub(crate) fn impostor(
    certificate: CertificateDer<'static>,
    key: &PrivateKeyDer<'_>,
) -> Arc<ClientConfig> {
    let shown = CertifiedKey::new(vec![certificate], any_ecdsa_type(key).unwrap());
    let config = believer().with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    with_http2(config)
}

/// A client that shows no certificate.
pub(crate) fn nobody() -> Arc<ClientConfig> {
    with_http2(believer().with_no_client_auth())
}

/// A certificate as the wallet's owner would make it, for any purpose and time.
pub(crate) fn issued(uri: &str, purpose: Purpose, validity: Validity) -> Arc<ClientConfig> {
    let issued = certificate::issue(&key(uri), purpose, validity).unwrap();
    impostor(issued.certificate, &issued.key)
}

/// From some seconds before now to some after.
pub(crate) fn validity(from: i64, to: i64) -> Validity {
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap();
    Validity {
        not_before: now + from,
        not_after: now + to,
    }
}

fn believer() -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believer))
}

fn with_http2(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Believes any server.
#[derive(Debug)]
struct Believer;

impl ServerCertVerifier for Believer {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
