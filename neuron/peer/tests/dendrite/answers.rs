//! One peer: what it may answer, and what not.

use std::num::NonZeroU32;

use neuron_peer::dendrite::Precision;
use neuron_proto::{Classes, Wanted, v1};

use super::{scripted::*, *};

async fn code_of(answer: Answer) -> Code {
    let server = axon(answer).await;
    ask(&dendrite(), server.peer(0)).await.code
}

#[tokio::test]
async fn answers_that_are_not_what_was_asked_for_are_refused() {
    let cases: [(&str, Twist, Code); 8] = [
        ("no code", |answer| answer.code = 0, Code::NoReturn),
        ("another code", |answer| answer.code = 18, Code::NucleusFull),
        (
            "nothing",
            |answer| answer.outputs = None,
            Code::EmptyResponse,
        ),
        (
            "wrong shape",
            |answer| answer.outputs = Some(outputs(1, 5.0).encode()),
            Code::ResponseShapeException,
        ),
        (
            "not a number",
            |answer| answer.outputs = Some(outputs(2, f32::NAN).encode()),
            Code::InvalidResponse,
        ),
        (
            "wrong type",
            |answer| answer.outputs = Some(Tensor::from_i64(&[2, 3], &[5; 6]).unwrap().encode()),
            Code::ResponseShapeException,
        ),
        (
            "wrong length",
            |answer| answer.outputs.as_mut().unwrap().data.truncate(7),
            Code::ResponseDeserializationException,
        ),
        (
            "too long",
            |answer| answer.message = "a".repeat(8 << 10),
            Code::InvalidResponse,
        ),
    ];
    for (name, twist, expected) in cases {
        assert_eq!(code_of(Answer::Twist(twist)).await, expected, "{name}");
    }
}

/// What asking for the two likeliest of [`WIDTH`] classes comes to.
async fn ask_likeliest(dendrite: &Dendrite, peer: Peer) -> Outcome {
    let wanted = Wanted::Target(Classes::Likeliest(NonZeroU32::new(2).unwrap()));
    let calls = vec![Call {
        peer,
        inputs: inputs(2, 5.0),
    }];
    let asked = dendrite.ask(Modality::Tensor, wanted, calls, &[WIDTH], LONG, Finish::All);
    asked.await.remove(0)
}

#[tokio::test]
async fn the_likeliest_classes_are_taken_in_every_precision() {
    for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
        let server = axon(Answer::First).await;
        let config = DendriteConfig {
            precision,
            ..development()
        };
        let outcome = ask_likeliest(&Dendrite::new(None, config), server.peer(0)).await;
        let (outputs, classes) = likeliest(2, 2);
        assert_eq!((outcome.outputs, outcome.classes), (Some(outputs), classes));
        let request = server.seen.latest.lock().unwrap().clone().unwrap();
        assert_eq!(
            (request.output(), request.n_likeliest),
            (v1::Output::Target, 2)
        );
    }
}

#[tokio::test]
async fn likeliest_classes_that_are_none_are_refused() {
    fn classes(values: &[i64]) -> Option<v1::Tensor> {
        let n = u32::try_from(values.len()).unwrap() / 2;
        Some(Tensor::from_i64(&[2, n], values).unwrap().encode())
    }
    let cases: [(&str, Twist, Code); 7] = [
        (
            "no classes",
            |answer| answer.classes = None,
            Code::EmptyResponse,
        ),
        (
            "no such class",
            |answer| answer.classes = classes(&[0, 1, 0, 3]),
            Code::InvalidResponse,
        ),
        (
            "a class below the first",
            |answer| answer.classes = classes(&[0, -1, 0, 1]),
            Code::InvalidResponse,
        ),
        (
            "a class twice",
            |answer| answer.classes = classes(&[0, 1, 2, 2]),
            Code::InvalidResponse,
        ),
        (
            "a class too few",
            |answer| answer.classes = classes(&[0, 1]),
            Code::ResponseShapeException,
        ),
        (
            "probabilities of 1.1 together",
            |answer| {
                let loud = Tensor::from_f32(&[2, 2], &[-0.6; 4]).unwrap();
                answer.outputs = Some(loud.encode());
            },
            Code::InvalidResponse,
        ),
        (
            "all classes",
            |answer| answer.outputs = Some(outputs(2, -2.0).encode()),
            Code::ResponseShapeException,
        ),
    ];
    for (name, twist, expected) in cases {
        let server = axon(Answer::Twist(twist)).await;
        let outcome = ask_likeliest(&dendrite(), server.peer(0)).await;
        assert_eq!(outcome.code, expected, "{name}: {}", outcome.message);
        assert!(outcome.outputs.is_none() && outcome.classes.is_none());
    }
}

#[tokio::test]
async fn refusals_keep_their_code() {
    for code in [
        Code::SenderUnknown,
        Code::NotImplemented,
        Code::NucleusTimeout,
    ] {
        assert_eq!(code_of(Answer::Refuse(code)).await, code);
    }
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];
const OK: &[(&str, &str)] = &[("grpc-status", "0")];

async fn raw_code(
    head: &'static [(&'static str, &'static str)],
    body: &[u8],
    trailers: &'static [(&'static str, &'static str)],
) -> Code {
    let server = raw(head, body.to_vec(), End::Trailers(trailers)).await;
    ask(&dendrite(), server.peer(0)).await.code
}

#[tokio::test]
async fn garbage_is_refused() {
    let garbage = [0, 0, 0, 0, 3, 0xff, 0xff, 0xff];
    let code = raw_code(GRPC, &garbage, OK).await;
    assert_eq!(code, Code::ResponseDeserializationException);
    let cut_off = raw_code(GRPC, &garbage[..6], OK).await;
    assert_eq!(cut_off, Code::ResponseDeserializationException);
    assert_eq!(raw_code(GRPC, &[], OK).await, Code::EmptyResponse);
    assert_eq!(raw_code(GRPC, &garbage, &[]).await, Code::NoReturn);
}

#[tokio::test]
async fn an_oversized_answer_is_refused_before_it_is_read() {
    // Announces 4 GiB, of which the first bytes come.
    let server = raw(GRPC, vec![0, 255, 255, 255, 255, 1], End::Trailers(OK)).await;
    let outcome = ask(&dendrite(), server.peer(0)).await;
    assert_eq!(outcome.code, Code::InvalidResponse);
    assert!(
        outcome.message.contains("4294967295"),
        "{}",
        outcome.message
    );
}

#[tokio::test]
async fn a_status_that_claims_success_is_a_failure() {
    let liar = &[("grpc-status", "13"), ("neuron-code", "1")];
    assert_eq!(raw_code(GRPC, &[], liar).await, Code::UnknownException);
    assert_eq!(raw_code(liar, &[], &[]).await, Code::UnknownException);
}

#[tokio::test]
async fn a_status_with_malformed_details_is_a_failure_like_any_other() {
    let hostile = &[("grpc-status", "14"), ("grpc-status-details-bin", "!?")];
    assert_eq!(raw_code(GRPC, &[], hostile).await, Code::Unavailable);
    assert_eq!(raw_code(hostile, &[], &[]).await, Code::Unavailable);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_asked_for_again() {
    let server = raw(GRPC, vec![0, 0, 0, 0, 9, 1, 2], End::Breaks).await;
    let outcome = ask(&dendrite(), server.peer(0)).await;
    assert!(!outcome.is_success(), "{outcome:?}");
    assert_eq!(server.seen.requests(), 1);
}

#[tokio::test]
async fn a_peer_that_dies_in_the_middle_of_its_answer_costs_that_answer() {
    let server = raw(GRPC, vec![0, 0, 0, 0, 9, 1, 2], End::Hangs).await;
    let (dendrite, peer, seen) = (dendrite(), server.peer(0), server.seen.clone());
    let asking = tokio::spawn({
        let dendrite = dendrite.clone();
        async move { ask(&dendrite, peer).await }
    });
    eventually("the answer begins", || seen.has_begun()).await;
    let address = server.kill().await;
    let outcome = asking.await.unwrap();
    assert_eq!(outcome.code, Code::Unavailable, "{}", outcome.message);
    assert_eq!(seen.requests(), 1, "it may have done its work");

    let back = axon_at(address, Answer::First).await;
    assert_eq!(ask(&dendrite, peer).await.code, Code::Backoff);
    assert!(ask(&dendrite, peer).await.is_success());
    assert_eq!(back.seen.requests(), 1);
}

#[tokio::test]
async fn what_the_wire_cannot_carry_is_no_fault_of_the_peer() {
    let server = axon(Answer::First).await;
    let config = DendriteConfig {
        precision: Precision::F16,
        ..development()
    };
    let dendrite = Dendrite::new(None, config);
    // The largest number of f16 is 65,504.
    let calls = vec![Call {
        peer: server.peer(0),
        inputs: inputs(2, 70_000.0),
    }];
    let asked = dendrite.forward(Modality::Tensor, calls, &[WIDTH], LONG, Finish::All);
    assert_eq!(codes(&asked.await), [Code::InvalidRequest]);
    assert_eq!(server.seen.requests(), 0);
    assert!(ask(&dendrite, server.peer(0)).await.is_success());
    let stats = &dendrite.stats()[0];
    assert_eq!((stats.calls, stats.skipped, stats.backoff), (1, 0, 0));
}

#[tokio::test]
async fn floats_travel_in_the_precision_that_was_chosen() {
    let cases = [
        (Precision::F32, v1::DataType::F32),
        (Precision::F16, v1::DataType::F16),
        (Precision::Bf16, v1::DataType::Bf16),
    ];
    for (precision, expected) in cases {
        let server = axon(Answer::First).await;
        let config = DendriteConfig {
            precision,
            ..development()
        };
        let outcome = ask(&Dendrite::new(None, config), server.peer(0)).await;
        assert_eq!(outcome.outputs, Some(outputs(2, 5.0)), "f32 arrives");
        let request = server.seen.latest.lock().unwrap().clone().unwrap();
        assert_eq!(request.inputs.unwrap().dtype(), expected);
        assert_eq!(request.reply, i32::from(expected));
    }
}
