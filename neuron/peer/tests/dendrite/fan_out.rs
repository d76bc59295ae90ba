//! Many peers at once: order, deadlines, finish rules, backoff.

use std::{sync::Arc, time::Instant};

use tokio::sync::Semaphore;

use super::{scripted::*, *};

#[tokio::test]
async fn outcomes_are_in_the_order_of_the_calls() {
    let (good, also_good) = (axon(Answer::First).await, axon(Answer::First).await);
    let full = axon(Answer::Refuse(Code::NucleusFull)).await;
    let broken = hangs_up().await;
    let peers = [
        good.peer(0),
        full.peer(1),
        peer(2, nowhere().await),
        broken.peer(3),
        also_good.peer(4),
        peer(5, "0.0.0.0:80".parse().unwrap()),
    ];
    let outcomes = ask_all(&dendrite(), &peers, Finish::All).await;

    let asked: Vec<Peer> = outcomes.iter().map(|outcome| outcome.peer).collect();
    assert_eq!(asked, peers);
    let expected = [
        Code::Success,
        Code::NucleusFull,
        Code::Unavailable,
        Code::Unavailable,
        Code::Success,
        Code::BadEndpoint,
    ];
    assert_eq!(codes(&outcomes), expected);
    for outcome in outcomes {
        let answer = outcome
            .is_success()
            .then(|| outputs(2, f32::from(outcome.peer.uid)));
        assert_eq!(outcome.outputs, answer);
        assert_eq!(outcome.message.is_empty(), outcome.is_success());
    }
}

#[tokio::test]
async fn all_rows_of_a_peer_are_one_request_and_times_are_told() {
    let good = axon(Answer::First).await;
    let dendrite = dendrite();
    let outcome = ask(&dendrite, good.peer(0)).await;
    assert_eq!(good.seen.requests(), 1);
    assert!(
        outcome
            .connect
            .is_some_and(|connect| connect <= outcome.elapsed)
    );
    assert_eq!(outcome.queue, Some(Duration::from_millis(1)));
    assert_eq!(outcome.compute, Some(Duration::from_millis(2)));
    assert_eq!(
        ask(&dendrite, good.peer(0)).await.connect,
        None,
        "it is there"
    );
}

#[tokio::test]
async fn a_slow_peer_is_waited_for() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = axon(Answer::Held(gate.clone())).await;
    let (dendrite, peer) = (dendrite(), slow.peer(0));
    let in_flight = || metric(&dendrite, "neuron_dendrite_forward_in_flight");
    let asker = dendrite.clone();
    let asking = tokio::spawn(async move { ask(&asker, peer).await });
    eventually("the request arrives", || slow.seen.requests() == 1).await;
    assert!(!asking.is_finished());
    assert_eq!(in_flight(), 1.0);
    gate.add_permits(1);
    assert_eq!(asking.await.unwrap().code, Code::Success);
    assert_eq!(in_flight(), 0.0);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_not_in_flight() {
    let slow = axon(Answer::Never).await;
    let dendrite = dendrite();
    let (asker, peer) = (dendrite.clone(), slow.peer(0));
    let asking = tokio::spawn(async move { ask(&asker, peer).await });
    eventually("the request arrives", || slow.seen.requests() == 1).await;
    asking.abort();
    assert!(asking.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(metric(&dendrite, "neuron_dendrite_forward_in_flight"), 0.0);
}

#[tokio::test]
async fn the_deadline_holds_for_a_black_hole_and_travels_to_a_slow_peer() {
    let (silent, slow) = (black_hole().await, axon(Answer::Never).await);
    let deadline = Duration::from_secs(2);
    for peer in [silent.peer(0), slow.peer(1)] {
        let start = Instant::now();
        let outcome = ask_within(&dendrite(), peer, deadline).await;
        assert_eq!(outcome.code, Code::Timeout, "{}", outcome.message);
        assert!(outcome.elapsed >= deadline);
        assert!(start.elapsed() < LONG / 4);
    }
    let told = slow.seen.deadline.lock().unwrap().clone().unwrap();
    let micros: u64 = told.strip_suffix('u').unwrap().parse().unwrap();
    assert!(micros > 0 && micros <= 2_000_000, "{told}");
    eventually("the call is cancelled", || slow.seen.cancelled() == 1).await;
}

#[tokio::test]
async fn seven_of_eight_do_not_wait_for_a_black_hole() {
    let mut servers = vec![black_hole().await];
    for _ in 1..8 {
        servers.push(axon(Answer::First).await);
    }
    let peers: Vec<Peer> = (0..)
        .zip(&servers)
        .map(|(uid, server)| server.peer(uid))
        .collect();
    let finish = Finish::FirstThenGrace {
        first: 7,
        grace: Duration::from_millis(50),
    };
    let start = Instant::now();
    let outcomes = ask_all(&dendrite(), &peers, finish).await;
    assert!(start.elapsed() < LONG / 4, "{:?}", start.elapsed());
    assert_eq!(outcomes[0].code, Code::Timeout);
    assert!(outcomes[1..].iter().all(Outcome::is_success));
}

#[tokio::test]
async fn a_peer_that_was_only_slower_than_the_others_is_asked_again() {
    let (fast, slow) = (axon(Answer::First).await, axon(Answer::Never).await);
    let peers = [fast.peer(0), slow.peer(1)];
    let finish = Finish::FirstThenGrace {
        first: 1,
        grace: Duration::from_millis(50),
    };
    let dendrite = dendrite();
    // Both have a connection before it matters.
    for peer in peers {
        dendrite.health(&peer, LONG).await.unwrap();
    }
    for _ in 0..3 {
        let outcomes = ask_all(&dendrite, &peers, finish).await;
        assert_eq!(codes(&outcomes), [Code::Success, Code::Timeout]);
    }
    let stats = &dendrite.stats()[1];
    assert_eq!((stats.calls, stats.skipped, stats.backoff), (3, 0, 0));
    assert_eq!(stats.last_code, Code::Timeout);
}

#[tokio::test]
async fn a_dead_peer_is_asked_ever_more_rarely_until_it_is_back() {
    let dendrite = dendrite();
    let dead = peer(0, nowhere().await);
    let mut calls = String::new();
    for _ in 0..12 {
        calls.push(match ask(&dendrite, dead).await.code {
            Code::Unavailable => 'U',
            Code::Backoff => 'B',
            code => panic!("{code}"),
        });
    }
    assert_eq!(calls, "UBUBBUBBBBUB");
    let stats = dendrite.stats();
    assert_eq!(
        (stats[0].calls, stats[0].skipped, stats[0].backoff),
        (4, 8, 7)
    );

    let _back = axon_at(dead.address, Answer::First).await;
    for _ in 0..7 {
        assert_eq!(ask(&dendrite, dead).await.code, Code::Backoff);
    }
    assert!(ask(&dendrite, dead).await.is_success());
    assert!(ask(&dendrite, dead).await.is_success());
}

#[tokio::test]
async fn nothing_is_asked_without_rows_and_the_backoff_is_as_before() {
    let (good, dendrite) = (axon(Answer::First).await, dendrite());
    let calls = vec![Call {
        peer: good.peer(0),
        inputs: Tensor::from_f32(&[0, 2], &[]).unwrap(),
    }];
    let outcomes = dendrite
        .forward(Modality::Tensor, calls, &[WIDTH], LONG, Finish::All)
        .await;
    assert_eq!(codes(&outcomes), [Code::EmptyRequest]);
    assert_eq!((good.seen.connections(), good.seen.requests()), (0, 0));
    assert_eq!(dendrite.stats(), []);
}

#[tokio::test]
async fn nobody_is_asked_in_plaintext_beyond_the_loopback_or_in_tls_without_an_identity() {
    let far = peer(0, "192.0.2.1:8091".parse().unwrap());
    let mapped = peer(1, "[::ffff:192.0.2.1]:8091".parse().unwrap());
    let secret = Peer {
        plaintext: false,
        ..peer(2, nowhere().await)
    };
    let outcomes = ask_all(&dendrite(), &[far, mapped, secret], Finish::All).await;
    assert_eq!(codes(&outcomes), [Code::BadEndpoint; 3]);
}

#[tokio::test]
async fn nobody_is_asked_in_plaintext_unless_it_is_allowed() {
    let server = axon(Answer::First).await;
    let dendrite = Dendrite::new(None, DendriteConfig::default());
    let outcome = ask(&dendrite, server.peer(0)).await;
    assert_eq!(outcome.code, Code::BadEndpoint);
    assert!(outcome.message.contains("--plaintext"), "{outcome:?}");
    let described = dendrite.describe(&server.peer(0), LONG).await;
    assert_eq!(described.unwrap_err().code, Code::BadEndpoint);
    let (inputs, gradients) = (inputs(1, 5.0), outputs(1, 0.25));
    assert!(!dendrite.backward(Modality::Tensor, &server.peer(0), inputs, gradients));
    assert_eq!((server.seen.connections(), server.seen.requests()), (0, 0));
}

#[tokio::test]
async fn dropping_the_fan_out_cancels_its_calls() {
    let slow = axon(Answer::Never).await;
    let (dendrite, peer) = (dendrite(), slow.peer(0));
    let asking = tokio::spawn(async move { ask(&dendrite, peer).await });
    eventually("the request arrives", || slow.seen.requests() == 1).await;
    asking.abort();
    eventually("the call is cancelled", || slow.seen.cancelled() == 1).await;
}
