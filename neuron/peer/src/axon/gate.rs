//! What stands before the services on one connection: every request passes it, the cheap checks before the costly.
//!
//! From its headers alone a request is routed, its caller admitted and its deadline known; a refusal costs nothing more.
//! Only then is its body read, at most as long as the limits say and for as long as the caller waits.
//!
//! Health and reflection are for callers of whom nothing is known, and are answered whatever else goes on. So they neither
//! ask who calls nor for memory; they are bounded by being few and short instead.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::body::Incoming;
use neuron_proto::{Code, Limits, NEURON_CODE, v1::axon_server::AxonServer};
use tokio::{sync::Semaphore, time::timeout_at};
use tonic::{Status, body::Body, service::Routes};
use tower::Service as _;

use super::{
    admission::{Admission, Caller, OVERLOAD_RETRY},
    body::{Payer, RequestBody, ResponseBody, ShortBody, Uptake},
    deadline,
    memory::{Held, Memory, Prepaid},
    metrics::AxonMetrics,
    service::{Context, Service},
};
use crate::{nucleus::Refusal, text::printable};

/// Requests to health and reflection of one connection at once, until their answers are taken. Streams last, and a caller
/// watches a few at most.
const MAX_STANDARD: usize = 16;
/// Bytes of one message to health or reflection: the name of a service, a symbol or a file.
pub(super) const MAX_STANDARD_MESSAGE: usize = 4 << 10;
/// Bytes of all messages of one request to them; a stream of reflection has many.
const MAX_STANDARD_BYTES: usize = 16 << 10;

/// What all connections of an axon lead to.
#[derive(Clone, Debug)]
pub(super) struct Services {
    pub(super) axon: AxonServer<Service>,
    /// Health and reflection.
    pub(super) standard: Routes,
    pub(super) admission: Arc<Admission>,
    pub(super) limits: Limits,
    pub(super) max_wait: Duration,
    pub(super) metrics: AxonMetrics,
}

/// The services as one caller sees them. Clones are of one connection.
#[derive(Clone)]
pub(super) struct Gate {
    services: Arc<Services>,
    caller: Caller,
    memory: Memory,
    uptake: Arc<Uptake>,
    /// Places for requests to health and reflection.
    standard: Arc<Semaphore>,
}

/// Where a path leads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Describe,
    Forward,
    Backward,
    Standard,
}

impl Method {
    pub(super) const ALL: [Method; 4] = [
        Method::Describe,
        Method::Forward,
        Method::Backward,
        Method::Standard,
    ];

    fn of(path: &str) -> Method {
        match path {
            "/neuron.v1.Axon/Describe" => Method::Describe,
            "/neuron.v1.Axon/Forward" => Method::Forward,
            "/neuron.v1.Axon/Backward" => Method::Backward,
            _ => Method::Standard,
        }
    }

    /// As a label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Describe => "describe",
            Method::Forward => "forward",
            Method::Backward => "backward",
            Method::Standard => "standard",
        }
    }

    /// How many tensors a message has.
    fn n_tensors(self) -> usize {
        match self {
            Method::Describe | Method::Standard => 0,
            Method::Forward => 1,
            Method::Backward => 2,
        }
    }
}

impl Gate {
    /// For a new connection.
    pub(super) fn new(
        services: Arc<Services>,
        caller: Caller,
        memory: Memory,
        uptake: Arc<Uptake>,
    ) -> Gate {
        Gate {
            services,
            caller,
            memory,
            uptake,
            standard: Arc::new(Semaphore::new(MAX_STANDARD)),
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<ResponseBody> {
        let started = Instant::now();
        let method = Method::of(request.uri().path());
        let answer = match method {
            Method::Standard => self.standard(request, started).await,
            _ => self.ours(method, request, started).await,
        };
        let (response, payer) = answer.unwrap_or_else(|refusal| {
            let response = Status::from(refusal).into_http();
            (response, self.payer(None))
        });
        let metrics = &self.services.metrics;
        metrics.answered(method, code_of(&response), started.elapsed());
        response.map(|body| ResponseBody::new(body, payer, self.uptake, metrics.clone()))
    }

    /// What pays for an answer of ours, with what is held for it already.
    fn payer(&self, held: Option<Held>) -> Payer {
        let memory = self.memory.clone();
        Payer::Memory { memory, held }
    }

    /// The deadline is for the answer to begin: streams go on for as long as their caller likes.
    async fn standard(
        &self,
        request: Request<Incoming>,
        started: Instant,
    ) -> Result<(Response<Body>, Payer), Refusal> {
        let place = self.standard.clone().try_acquire_owned();
        let place = place.map_err(|_| Refusal {
            code: Code::NucleusFull,
            message: format!("{MAX_STANDARD} requests to health and reflection at once are enough"),
            retry_after: Some(OVERLOAD_RETRY),
        })?;
        let wait = deadline::wait(request.headers(), self.services.max_wait)?;
        let request = request.map(|body| ShortBody::new(body, MAX_STANDARD_BYTES));
        let mut routes = self.services.standard.clone();
        match timeout_at((started + wait).into(), routes.call(request)).await {
            Ok(Ok(response)) => Ok((response, Payer::Place(Arc::new(place)))),
            Ok(Err(never)) => match never {},
            Err(_) => Err(late(wait)),
        }
    }

    async fn ours(
        &self,
        method: Method,
        mut request: Request<Incoming>,
        started: Instant,
    ) -> Result<(Response<Body>, Payer), Refusal> {
        let Services {
            admission,
            limits,
            metrics,
            max_wait,
            ..
        } = &*self.services;
        let wait = deadline::wait(request.headers(), *max_wait)?;
        let caller = admission.admit(self.caller)?;
        let deadline = started + wait;
        let answer = Prepaid::new(self.memory.clone());
        request.extensions_mut().insert(Context {
            caller,
            deadline,
            answer: answer.clone(),
        });
        // Held until the answer is there, though the body that it is for is gone by then.
        let held = Arc::new(OnceLock::new());
        let max_message = limits.max_message_bytes(method.n_tensors());
        let request = request.map(|body| {
            let memory = self.memory.clone();
            RequestBody::new(body, memory, held.clone(), max_message, metrics.clone())
        });
        let mut axon = self.services.axon.clone();
        match timeout_at(deadline.into(), axon.call(request)).await {
            Ok(Ok(response)) => Ok((restate(response), self.payer(answer.take()))),
            Ok(Err(never)) => match never {},
            Err(_) => Err(late(wait)),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Gate {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let gate = self.clone();
        Box::pin(async move { Ok(gate.answer(request).await) })
    }
}

fn late(wait: Duration) -> Refusal {
    Refusal::new(Code::Timeout, format!("no answer within {wait:?}"))
}

/// How a response ends, as far as its headers say: a refusal is all headers.
fn code_of(response: &Response<Body>) -> Code {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != tonic::Code::Ok => Code::of_status(&status),
        _ => Code::Success,
    }
}

/// Gives a refusal by the gRPC library itself, which knows nothing of [`Code`], the code that it means.
fn restate(response: Response<Body>) -> Response<Body> {
    if response.headers().contains_key(NEURON_CODE) {
        return response;
    }
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    let code = match status.code() {
        tonic::Code::Ok => return response,
        // Bytes that are no message of protobuf, or no framed message at all.
        tonic::Code::Internal => Code::RequestDeserializationException,
        _ => Code::of_status(&status),
    };
    code.status(printable(status.message())).into_http()
}
