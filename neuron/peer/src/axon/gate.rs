//! What stands before the services on one connection: every request passes it, the cheap checks before the costly.
//!
//! From its headers alone a request is routed, its caller admitted and its deadline known; a refusal costs nothing more.
//! Only then is its body read, at most as long as the limits say and for as long as the caller waits. Health and
//! reflection go past all this, so that they are answered whatever else goes on.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::body::Incoming;
use neuron_proto::{Code, Limits, NEURON_CODE, v1::axon_server::AxonServer};
use tonic::{Status, body::Body, service::Routes};
use tower::Service as _;

use super::{
    admission::{Admission, Caller},
    body::{RequestBody, ResponseBody, Uptake},
    deadline,
    memory::Memory,
    metrics::AxonMetrics,
    service::{Context, Service},
};
use crate::nucleus::Refusal;

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
    pub(super) services: Arc<Services>,
    pub(super) caller: Caller,
    pub(super) memory: Memory,
    pub(super) uptake: Arc<Uptake>,
}

/// Where a path leads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Method {
    Describe,
    Forward,
    Backward,
    Standard,
}

impl Method {
    fn of(path: &str) -> Method {
        match path {
            "/neuron.v1.Axon/Describe" => Method::Describe,
            "/neuron.v1.Axon/Forward" => Method::Forward,
            "/neuron.v1.Axon/Backward" => Method::Backward,
            _ => Method::Standard,
        }
    }

    /// As a label.
    fn name(self) -> &'static str {
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
    async fn answer(self, request: Request<Incoming>) -> Response<ResponseBody> {
        let started = Instant::now();
        let method = Method::of(request.uri().path());
        let response = match method {
            Method::Standard => self.standard(request).await,
            _ => self
                .ours(method, request, started)
                .await
                .unwrap_or_else(|refusal| Status::from(refusal).into_http()),
        };
        let metrics = &self.services.metrics;
        metrics.answered(method.name(), code_of(&response), started.elapsed());
        response.map(|body| ResponseBody::new(body, self.memory, self.uptake, metrics.clone()))
    }

    async fn standard(&self, request: Request<Incoming>) -> Response<Body> {
        let mut routes = self.services.standard.clone();
        let answer = routes.call(request).await;
        answer.unwrap_or_else(|never: Infallible| match never {})
    }

    async fn ours(
        &self,
        method: Method,
        mut request: Request<Incoming>,
        started: Instant,
    ) -> Result<Response<Body>, Refusal> {
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
        request
            .extensions_mut()
            .insert(Context { caller, deadline });
        // Held until the answer is there, though the body that it is for is gone by then.
        let held = Arc::new(OnceLock::new());
        let max_message = limits.max_message_bytes(method.n_tensors());
        let request = request.map(|body| {
            let memory = self.memory.clone();
            RequestBody::new(body, memory, held.clone(), max_message, metrics.clone())
        });
        let mut axon = self.services.axon.clone();
        match tokio::time::timeout_at(deadline.into(), axon.call(request)).await {
            Ok(Ok(response)) => Ok(restate(response)),
            Ok(Err(never)) => match never {},
            Err(_) => {
                let message = format!("no answer within {wait:?}");
                Err(Refusal::new(Code::Timeout, message))
            }
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
    code.status(status.message()).into_http()
}
