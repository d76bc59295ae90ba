//! What is answered to what is asked.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU32,
    time::Duration,
};

use futures_util::future::join_all;
use neuron_peer::{
    axon::{AxonConfig, Policy, Rate, gradients},
    nucleus::NucleusConfig,
};
use neuron_proto::{
    Code, DType, Modality, PROTOCOL_VERSION, Tensor, retry_after,
    v1::{self, axon_client::AxonClient},
};
use tonic::{Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::harness::{PATIENCE, Sent, Setup, UNLUCKY, framed, key, member, patient, within};

pub(crate) fn request(rows: &[[f32; 2]]) -> v1::ForwardRequest {
    let n_rows = u32::try_from(rows.len()).unwrap();
    tensor_request(Tensor::from_f32(&[n_rows, 2], rows.as_flattened()).unwrap())
}

pub(crate) fn tensor_request(inputs: Tensor) -> v1::ForwardRequest {
    v1::ForwardRequest {
        modality: Modality::Tensor.into(),
        inputs: Some(inputs.encode()),
        ..Default::default()
    }
}

pub(crate) fn outputs(response: v1::ForwardResponse) -> Tensor {
    assert_eq!(response.code(), Code::Success);
    Tensor::decode(response.outputs.unwrap(), &Default::default()).unwrap()
}

pub(crate) async fn ask(
    client: &AxonClient<Channel>,
    request: v1::ForwardRequest,
) -> Result<v1::ForwardResponse, Status> {
    Ok(within(client.clone().forward(request)).await?.into_inner())
}

pub(crate) async fn refusal(client: &AxonClient<Channel>, request: v1::ForwardRequest) -> Code {
    Code::of_status(&ask(client, request).await.unwrap_err())
}

fn policy(policy: Policy) -> Setup {
    Setup {
        config: AxonConfig {
            policy,
            ..patient()
        },
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_registered_caller_gets_its_rows_back_in_order() {
    let axon = Setup::default().start().await;
    let client = axon.client("//Alice").await;
    let response = ask(&client, request(&[[1.0, 2.0], [3.0, 4.0]]))
        .await
        .unwrap();
    assert_eq!(response.timing.unwrap().batch_rows, 2);
    let outputs = outputs(response);
    assert_eq!(outputs.shape(), [2, 2]);
    assert_eq!(outputs.to_f32().unwrap(), [2.0, 4.0, 6.0, 8.0]);
    axon.counted(r#"neuron_axon_requests_total{code="Success",method="forward"} 1"#)
        .await;
    axon.stop().await;
}

#[tokio::test]
async fn the_answer_comes_in_the_precision_that_was_asked_for() {
    let axon = Setup::default().start().await;
    let client = axon.client("//Alice").await;
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        let wanted = v1::ForwardRequest {
            reply: dtype.into(),
            ..request(&[[1.0, 2.0]])
        };
        let outputs = outputs(ask(&client, wanted).await.unwrap());
        assert_eq!(outputs.dtype(), dtype);
        assert_eq!(outputs.to_f32().unwrap(), [2.0, 4.0]);
    }
    let wanted = v1::ForwardRequest {
        reply: DType::I64.into(),
        ..request(&[[1.0, 2.0]])
    };
    assert_eq!(refusal(&client, wanted).await, Code::InvalidRequest);
    axon.stop().await;
}

#[tokio::test]
async fn an_axon_describes_what_it_serves() {
    let (sender, _receiver) = gradients(1);
    let min_stake = BTreeMap::from([(Modality::Tensor, 6)]);
    let setup = policy(Policy {
        min_stake,
        ..Policy::default()
    });
    let axon = Setup {
        gradients: Some(sender),
        ..setup
    }
    .start()
    .await;
    let mut client = axon.client("//Alice").await;
    let described = within(client.describe(v1::DescribeRequest {}))
        .await
        .unwrap()
        .into_inner();
    let config = NucleusConfig::default();
    let expected = v1::DescribeResponse {
        protocol_version: PROTOCOL_VERSION,
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
        hotkey: axon.hotkey.0.to_vec().into(),
        synapses: vec![v1::SynapseDescription {
            modality: Modality::Tensor.into(),
            input_dtypes: vec![DType::F32.into()],
            input_shape: vec![2],
            output_shape: vec![2],
            accepts_gradients: true,
            min_stake: 6,
            prediction_shape: vec![2],
            ..Default::default()
        }],
        limits: Some(v1::Limits {
            // Two numbers of four bytes in each row.
            max_bytes: u64::from(config.max_request_rows) * 8,
            max_rows: config.max_request_rows,
            max_batch_rows: config.max_batch_rows,
            queue_requests: u32::try_from(config.max_queue_requests).unwrap(),
        }),
    };
    assert_eq!(described, expected);
    axon.stop().await;
}

#[tokio::test]
async fn strangers_are_told_to_register() {
    let axon = Setup::default().start().await;
    let client = axon.client("//Mallory").await;
    let status = ask(&client, request(&[[1.0, 2.0]])).await.unwrap_err();
    assert_eq!(Code::of_status(&status), Code::SenderUnknown);
    assert!(status.message().contains("register first"), "{status}");
    let described = within(client.clone().describe(v1::DescribeRequest {})).await;
    assert_eq!(
        Code::of_status(&described.unwrap_err()),
        Code::SenderUnknown
    );
    axon.stop().await;
}

#[tokio::test]
async fn stake_below_the_synapses_minimum_is_refused() {
    let min_stake = BTreeMap::from([(Modality::Tensor, 6)]);
    let axon = policy(Policy {
        min_stake,
        ..Policy::default()
    })
    .start()
    .await;
    assert_eq!(
        refusal(&axon.client("//Bob").await, request(&[[1.0, 2.0]])).await,
        Code::SenderUnknown
    );
    assert!(
        ask(&axon.client("//Alice").await, request(&[[1.0, 2.0]]))
            .await
            .is_ok()
    );
    axon.stop().await;
}

#[tokio::test]
async fn the_deny_list_is_honoured() {
    let denied = HashSet::from([key("//Alice").public()]);
    let axon = policy(Policy {
        denied,
        ..Policy::default()
    })
    .start()
    .await;
    assert_eq!(
        refusal(&axon.client("//Alice").await, request(&[[1.0, 2.0]])).await,
        Code::SenderUnknown
    );
    assert!(
        ask(&axon.client("//Bob").await, request(&[[1.0, 2.0]]))
            .await
            .is_ok()
    );
    axon.stop().await;
}

#[tokio::test]
async fn who_asks_too_fast_is_told_when_to_ask_again_and_delays_nobody() {
    let rate = Rate {
        per_second: NonZeroU32::MIN,
        burst: NonZeroU32::new(3).unwrap(),
    };
    let axon = policy(Policy {
        rate: Some(rate),
        ..Policy::default()
    })
    .start()
    .await;
    let client = axon.client("//Alice").await;
    let asked = join_all((0..20).map(|_| ask(&client, request(&[[1.0, 2.0]])))).await;
    let refused: Vec<&Status> = asked
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .collect();
    // Three at once, and one for each second that this took.
    assert!((10..=17).contains(&refused.len()), "{}", refused.len());
    for status in refused {
        assert_eq!(Code::of_status(status), Code::NucleusFull);
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert!(retry_after(status).unwrap() <= Duration::from_secs(1));
    }
    assert!(
        ask(&axon.client("//Bob").await, request(&[[1.0, 2.0]]))
            .await
            .is_ok()
    );
    axon.stop().await;
}

#[tokio::test]
async fn malformed_requests_are_refused_each_by_its_name() {
    let axon = Setup::default().start().await;
    let client = axon.client("//Alice").await;
    let good = request(&[[1.0, 2.0]]);
    let wide = tensor_request(Tensor::from_f32(&[1, 3], &[0.0; 3]).unwrap());
    assert_eq!(refusal(&client, wide).await, Code::RequestShapeException);
    let nan = request(&[[f32::NAN, 0.0]]);
    assert_eq!(refusal(&client, nan).await, Code::InvalidRequest);
    let nothing = v1::ForwardRequest {
        inputs: None,
        ..good.clone()
    };
    assert_eq!(refusal(&client, nothing).await, Code::EmptyRequest);
    let unsaid = v1::ForwardRequest {
        modality: 0,
        ..good.clone()
    };
    assert_eq!(refusal(&client, unsaid).await, Code::InvalidRequest);
    let unserved = v1::ForwardRequest {
        modality: Modality::Text.into(),
        ..good.clone()
    };
    assert_eq!(refusal(&client, unserved).await, Code::NotImplemented);
    let mut short = good.clone();
    short.inputs.as_mut().unwrap().shape = vec![2, 2];
    assert_eq!(
        refusal(&client, short).await,
        Code::RequestDeserializationException
    );
    assert!(ask(&client, good).await.is_ok());
    axon.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_as_such() {
    let axon = Setup::default().start().await;
    let channel = axon.channel("//Alice").await;
    let codec = tonic_prost::ProstCodec::<v1::BackwardResponse, v1::ForwardResponse>::default();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    // A message with a string where a request has its tensor.
    let garbage = v1::BackwardResponse {
        code: 1,
        message: "no tensor".to_owned(),
    };
    let path = http::uri::PathAndQuery::from_static("/neuron.v1.Axon/Forward");
    let answer = within(client.unary(tonic::Request::new(garbage), path, codec)).await;
    assert_eq!(
        Code::of_status(&answer.unwrap_err()),
        Code::RequestDeserializationException
    );
    axon.counted(
        r#"neuron_axon_requests_total{code="RequestDeserializationException",method="forward"} 1"#,
    )
    .await;
    axon.stop().await;
}

#[tokio::test]
async fn one_wrong_request_spoils_no_batch() {
    let (setup, mut script) = Setup::scripted();
    let axon = setup.start().await;
    let client = axon.client("//Alice").await;
    let asked = |rows: &[[f32; 2]]| {
        let (client, request) = (client.clone(), request(rows));
        tokio::spawn(async move { ask(&client, request).await })
    };
    // One holds the model, so that the others meet in the queue.
    let first = asked(&[[0.0, 0.0]]);
    assert_eq!(script.began().await, 1);
    let misshapen = join_all((0_u8..8).map(|i| {
        let width = 3 + u32::from(i % 4);
        let row = Tensor::from_f32(&[1, width], &vec![0.0; width as usize]).unwrap();
        refusal(&client, tensor_request(row))
    }));
    let good: Vec<_> = (100_u8..124)
        .map(|i| asked(&[[f32::from(i), 1.0]]))
        .collect();
    let poisoned: Vec<_> = (0..8).map(|_| asked(&[[UNLUCKY, 1.0]])).collect();
    assert_eq!(misshapen.await, [Code::RequestShapeException; 8]);
    axon.queued(24 + 8).await;
    script.proceed();
    assert_eq!(script.began().await, 24 + 8, "they share a batch");
    drop(script.proceed_for_ever());
    assert!(first.await.unwrap().is_ok());
    for (i, answer) in (100_u8..).zip(join_all(good).await) {
        let outputs = outputs(answer.unwrap().unwrap());
        assert_eq!(outputs.to_f32().unwrap(), [2.0 * f32::from(i), 2.0]);
    }
    for answer in join_all(poisoned).await {
        let status = answer.unwrap().unwrap_err();
        assert_eq!(Code::of_status(&status), Code::UnknownException);
        assert_eq!(status.message(), "the model failed");
    }
    axon.stop().await;
}

#[tokio::test]
async fn a_message_beyond_the_limits_is_refused_with_the_numbers() {
    let axon = Setup::default().start().await;
    let client = axon.client("//Alice").await;
    let long = tensor_request(Tensor::from_f32(&[1 << 20, 2], &vec![0.0; 2 << 20]).unwrap());
    let status = ask(&client, long).await.unwrap_err();
    assert_eq!(Code::of_status(&status), Code::RequestShapeException);
    assert!(
        status.message().contains("expected a message of at most"),
        "{status}"
    );
    assert!(ask(&client, request(&[[1.0, 2.0]])).await.is_ok());
    axon.stop().await;
}

#[tokio::test]
async fn a_request_without_an_answer_in_time_is_a_timeout_and_never_reaches_the_model() {
    let (setup, mut script) = Setup::scripted();
    let config = AxonConfig {
        max_wait: Duration::from_secs(3),
        ..patient()
    };
    let axon = Setup { config, ..setup }.start().await;
    let client = axon.client("//Alice").await;
    let blocked = tokio::spawn({
        let client = client.clone();
        async move { refusal(&client, request(&[[0.0, 0.0]])).await }
    });
    assert_eq!(script.began().await, 1);
    // Two rows, by which the model would know it.
    let queued = refusal(&client, request(&[[0.0, 0.0], [0.0, 0.0]])).await;
    assert!(
        matches!(queued, Code::Timeout | Code::NucleusTimeout),
        "{queued}"
    );
    assert_eq!(blocked.await.unwrap(), Code::Timeout);
    script.proceed();
    let third = tokio::spawn(async move { ask(&client, request(&[[0.0, 0.0]; 3])).await });
    assert_eq!(script.began().await, 3);
    script.proceed();
    assert!(third.await.unwrap().is_ok());
    axon.stop().await;
}

#[tokio::test]
async fn the_callers_own_deadline_is_read() {
    let axon = Setup::default().start().await;
    let mut client = axon.client("//Alice").await;
    let mut asked = tonic::Request::new(request(&[[1.0, 2.0]]));
    // The client's library lets pass what is no duration.
    asked
        .metadata_mut()
        .insert("grpc-timeout", "soon".parse().unwrap());
    let status = within(client.forward(asked)).await.unwrap_err();
    assert_eq!(Code::of_status(&status), Code::InvalidRequest);
    assert!(status.message().contains("grpc-timeout"), "{status}");
    axon.stop().await;
}

#[tokio::test]
async fn a_callers_short_deadline_is_kept_by_the_axon() {
    let (setup, mut script) = Setup::scripted();
    let config = AxonConfig {
        max_wait: 10 * PATIENCE,
        ..patient()
    };
    let axon = Setup { config, ..setup }.start().await;
    let raw = axon.raw("//Alice").await;
    let asked = |timeout, rows: &[[f32; 2]]| {
        let sent = Sent::whole(framed(&request(rows)));
        raw.send("/neuron.v1.Axon/Forward", Some(timeout), sent)
    };
    // With the model, and in the queue: two rows, by which the model would know it.
    let blocked = tokio::spawn(asked("1S", &[[0.0, 0.0]]));
    assert_eq!(script.began().await, 1);
    let queued = within(asked("50m", &[[0.0, 0.0]; 2])).await.unwrap();
    let blocked = within(blocked).await.unwrap().unwrap();
    for status in [blocked, queued] {
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded, "{status}");
        assert_eq!(Code::of_status(&status), Code::Timeout);
    }
    axon.queued(0).await;
    script.proceed();
    let client = axon.client("//Alice").await;
    let third = tokio::spawn(async move { ask(&client, request(&[[0.0, 0.0]; 3])).await });
    assert_eq!(script.began().await, 3);
    script.proceed();
    assert!(third.await.unwrap().is_ok());
    axon.stop().await;
}

#[tokio::test]
async fn health_tells_that_the_nucleus_has_ended() {
    let mut axon = Setup::default().start().await;
    let channel = axon.channel("//Alice").await;
    axon.stop_nucleus().await;
    within(async {
        for service in ["", "neuron.v1.Axon"] {
            let asked = HealthCheckRequest {
                service: service.to_owned(),
            };
            let mut watched = HealthClient::new(channel.clone())
                .watch(asked)
                .await
                .unwrap()
                .into_inner();
            while watched.message().await.unwrap().unwrap().status() != ServingStatus::NotServing {}
        }
    })
    .await;
    let client = AxonClient::new(channel);
    let refused = refusal(&client, request(&[[1.0, 2.0]])).await;
    assert_eq!(refused, Code::NotServingNucleus);
    axon.stop().await;
}

#[tokio::test]
async fn health_and_refusals_do_not_wait_for_the_model() {
    let (setup, mut script) = Setup::scripted();
    let axon = setup.start().await;
    let channel = axon.channel("//Alice").await;
    let client = AxonClient::new(channel.clone());
    let blocked = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, request(&[[1.0, 2.0]])).await }
    });
    assert_eq!(script.began().await, 1);
    for service in ["", "neuron.v1.Axon"] {
        let asked = HealthCheckRequest {
            service: service.to_owned(),
        };
        let health = within(HealthClient::new(channel.clone()).check(asked))
            .await
            .unwrap();
        assert_eq!(health.into_inner().status(), ServingStatus::Serving);
    }
    let wide = tensor_request(Tensor::from_f32(&[1, 3], &[0.0; 3]).unwrap());
    assert_eq!(refusal(&client, wide).await, Code::RequestShapeException);
    assert!(!blocked.is_finished());
    script.proceed();
    assert!(blocked.await.unwrap().is_ok());
    axon.stop().await;
}

#[tokio::test]
async fn reflection_names_every_service() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let axon = Setup::default().start().await;
    let mut client = ServerReflectionClient::new(axon.channel("//Alice").await);
    let host = String::new();
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let asked = tokio_stream::once(ServerReflectionRequest {
        host,
        message_request,
    });
    let mut answers = within(client.server_reflection_info(asked))
        .await
        .unwrap()
        .into_inner();
    let answer = within(answers.message()).await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<String> = listed
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for name in ["neuron.v1.Axon", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|is| is == name), "{names:?}");
    }
    axon.stop().await;
}

fn backward(gradients: &[f32]) -> v1::BackwardRequest {
    v1::BackwardRequest {
        modality: Modality::Tensor.into(),
        inputs: request(&[[1.0, 2.0]]).inputs,
        gradients: Some(Tensor::from_f32(&[1, 2], gradients).unwrap().encode()),
        ..Default::default()
    }
}

async fn push(client: &AxonClient<Channel>, gradients: &[f32]) -> Code {
    match within(client.clone().backward(backward(gradients))).await {
        Ok(response) => response.into_inner().code(),
        Err(status) => Code::of_status(&status),
    }
}

#[tokio::test]
async fn gradients_are_checked_clipped_and_queued_for_the_trainer() {
    let (sender, mut receiver) = gradients(2);
    let config = AxonConfig {
        max_gradient_norm: 5.0,
        ..patient()
    };
    let axon = Setup {
        config,
        gradients: Some(sender),
        ..Setup::default()
    }
    .start()
    .await;
    let client = axon.client("//Alice").await;
    assert_eq!(push(&client, &[f32::NAN, 0.0]).await, Code::InvalidRequest);
    assert_eq!(push(&client, &[3.0, 4.0]).await, Code::Success);
    assert_eq!(push(&client, &[30.0, 40.0]).await, Code::Success);
    // The trainer is behind.
    assert_eq!(push(&client, &[1.0, 1.0]).await, Code::NucleusFull);
    axon.counted(r#"neuron_axon_gradients_total{outcome="dropped"} 1"#)
        .await;
    for _ in 0..2 {
        let gradient = receiver.try_next().unwrap();
        assert_eq!(gradient.from, Some(key("//Alice").public()));
        assert_eq!(gradient.inputs.to_f32().unwrap(), [1.0, 2.0]);
        assert_eq!(gradient.gradients.to_f32().unwrap(), [3.0, 4.0]);
    }
    assert!(receiver.try_next().is_none());
    drop(receiver);
    assert_eq!(push(&client, &[1.0, 1.0]).await, Code::NotServingNucleus);
    axon.stop().await;
}

#[tokio::test]
async fn an_axon_without_a_trainer_takes_no_gradients() {
    let axon = Setup::default().start().await;
    assert_eq!(
        push(&axon.client("//Alice").await, &[1.0, 1.0]).await,
        Code::NotImplemented
    );
    axon.stop().await;
}

/// Ten thousand at once, of 4 KiB each, where a hundred may wait and 2 MiB may be held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_answered_to_the_last_request_within_the_queues_bound() {
    const FLOOD: usize = 10_000;
    const QUEUE: usize = 100;
    const WIDTH: u32 = 1024;
    const MEMORY: usize = 2 << 20;
    let (setup, mut script) = Setup::scripted_with_width(WIDTH);
    let config = AxonConfig {
        max_connections_per_caller: 40,
        max_wait: 10 * PATIENCE,
        stall_timeout: PATIENCE,
        max_bytes: MEMORY,
        max_bytes_per_caller: MEMORY,
        ..patient()
    };
    let nucleus = NucleusConfig {
        max_queue_requests: QUEUE,
        ..NucleusConfig::default()
    };
    let members = vec![member("//Alice", 0, 7)];
    let axon = Setup {
        config,
        nucleus,
        members,
        ..setup
    }
    .start()
    .await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(axon.client("//Alice").await);
    }
    // Cheap to clone: all of the flood send the same bytes.
    let asked = tensor_request(Tensor::from_f32(&[1, WIDTH], &vec![1.0; WIDTH as usize]).unwrap());
    let first = tokio::spawn({
        let (client, asked) = (clients[0].clone(), asked.clone());
        async move { ask(&client, asked).await }
    });
    assert_eq!(script.began().await, 1);
    let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for i in 0..FLOOD {
        let (client, sender) = (clients[i % clients.len()].clone(), sender.clone());
        let asked = asked.clone();
        tokio::spawn(async move {
            let answer = client.clone().forward(asked).await;
            sender.send(answer.map(drop)).unwrap();
        });
    }
    drop(sender);
    // The model holds one and the queue a hundred; all others are refused while it does.
    for _ in 0..FLOOD - QUEUE {
        let status = within(answers.recv()).await.unwrap().unwrap_err();
        assert_eq!(Code::of_status(&status), Code::NucleusFull, "{status}");
    }
    drop(script.proceed_for_ever());
    assert!(first.await.unwrap().is_ok());
    for _ in 0..QUEUE {
        within(answers.recv()).await.unwrap().unwrap();
    }
    assert!(within(answers.recv()).await.is_none());

    #[expect(clippy::cast_precision_loss, reason = "far below 2⁵²")]
    let (held, most) = ((QUEUE * WIDTH as usize * 4) as f64, MEMORY as f64);
    let peak = axon.metric("neuron_axon_memory_peak_bytes");
    assert!((held..=most).contains(&peak), "{peak}");
    axon.counted("neuron_axon_memory_bytes 0").await;
    axon.stop().await;
}
