//! Connections: one a peer, kept, capped, closed, replaced.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::{scripted::*, *};

const OPEN: &str = "neuron_dendrite_connections";

async fn open_are(dendrite: &Dendrite, n: u32) {
    eventually("connections", || metric(dendrite, OPEN) == f64::from(n)).await;
}

fn connected(dendrite: &Dendrite) -> Vec<bool> {
    let stats = dendrite.stats();
    stats.iter().map(|peer| peer.connected).collect()
}

#[tokio::test]
async fn a_peer_has_one_connection_however_many_calls_it_has_at_once() {
    let server = axon(Answer::First).await;
    let dendrite = dendrite();
    for _ in 0..2 {
        let calls = (0..32).map(|_| ask(&dendrite, server.peer(0)));
        let outcomes = join_all(calls).await;
        assert!(outcomes.iter().all(Outcome::is_success));
    }
    assert_eq!((server.seen.connections(), server.seen.requests()), (1, 64));
    let stats = &dendrite.stats()[0];
    assert_eq!((stats.calls, stats.successes, stats.in_flight), (64, 64, 0));
    assert!(stats.bytes_sent > 64 * 16 && stats.bytes_received > 64 * 24);
}

#[tokio::test]
async fn calls_that_wait_for_one_connection_fail_together() {
    let dead = peer(0, nowhere().await);
    let calls = vec![
        Call {
            peer: dead,
            inputs: inputs(1, 0.0)
        };
        8
    ];
    let dendrite = dendrite();
    let outcomes = dendrite
        .forward(Modality::Tensor, calls, &[WIDTH], LONG, Finish::All)
        .await;
    assert_eq!(codes(&outcomes), [Code::Unavailable; 8]);
}

#[tokio::test]
async fn a_peer_that_moved_is_asked_where_it_is_and_its_old_connection_closes() {
    let (old, new) = (axon(Answer::First).await, axon(Answer::First).await);
    let dendrite = dendrite();
    assert!(ask(&dendrite, old.peer(0)).await.is_success());
    assert!(ask(&dendrite, new.peer(0)).await.is_success());
    assert_eq!((old.seen.requests(), new.seen.requests()), (1, 1));
    open_are(&dendrite, 1).await;
}

#[tokio::test]
async fn a_peer_that_moved_is_not_left_alone_for_what_happened_elsewhere() {
    let dendrite = dendrite();
    let dead = peer(0, nowhere().await);
    assert_eq!(ask(&dendrite, dead).await.code, Code::Unavailable);
    let new = axon(Answer::First).await;
    assert!(ask(&dendrite, new.peer(0)).await.is_success());
}

#[tokio::test]
async fn the_least_recently_used_connection_is_closed_beyond_the_cap() {
    let servers = [
        axon(Answer::First).await,
        axon(Answer::First).await,
        axon(Answer::First).await,
    ];
    let config = DendriteConfig {
        max_connections: 2,
        ..development()
    };
    let dendrite = Dendrite::new(None, config);
    for uid in [0, 1, 0, 2] {
        let peer = servers[usize::from(uid)].peer(uid);
        assert!(ask(&dendrite, peer).await.is_success());
    }
    assert_eq!(connected(&dendrite), [true, false, true]);
    open_are(&dendrite, 2).await;
    assert!(
        ask(&dendrite, servers[1].peer(1)).await.is_success(),
        "it connects again"
    );
}

#[tokio::test]
async fn peers_that_cannot_be_reached_do_not_count_towards_the_cap() {
    let servers = [
        axon(Answer::First).await,
        axon(Answer::First).await,
        axon(Answer::First).await,
    ];
    let config = DendriteConfig {
        max_connections: 2,
        ..development()
    };
    let dendrite = Dendrite::new(None, config);
    for uid in [0, 1] {
        let peer = servers[usize::from(uid)].peer(uid);
        assert!(ask(&dendrite, peer).await.is_success());
    }
    for uid in 3..6 {
        let dead = peer(uid, nowhere().await);
        assert_eq!(ask(&dendrite, dead).await.code, Code::Unavailable);
    }
    assert!(ask(&dendrite, servers[2].peer(2)).await.is_success());
    // Three were open, so one was closed.
    assert_eq!(
        connected(&dendrite),
        [false, true, true, false, false, false]
    );
    open_are(&dendrite, 2).await;
}

#[tokio::test]
async fn a_cap_of_none_closes_each_connection_after_its_call() {
    let server = axon(Answer::First).await;
    let config = DendriteConfig {
        max_connections: 0,
        ..development()
    };
    let dendrite = Dendrite::new(None, config);
    for _ in 0..3 {
        assert!(ask(&dendrite, server.peer(0)).await.is_success());
        open_are(&dendrite, 0).await;
    }
    assert_eq!(server.seen.connections(), 3);
}

#[tokio::test]
async fn a_peer_that_was_killed_is_used_again_when_it_is_back() {
    let dendrite = dendrite();
    let server = axon(Answer::First).await;
    let peer = server.peer(0);
    assert!(ask(&dendrite, peer).await.is_success());
    let address = server.kill().await;
    open_are(&dendrite, 0).await;
    assert_eq!(ask(&dendrite, peer).await.code, Code::Unavailable);

    let server = axon_at(address, Answer::First).await;
    assert_eq!(ask(&dendrite, peer).await.code, Code::Backoff);
    assert!(ask(&dendrite, peer).await.is_success());
    assert_eq!(server.seen.requests(), 1);
}

#[tokio::test]
async fn a_peer_killed_in_the_middle_of_a_call_costs_that_call() {
    let (dendrite, server) = (dendrite(), axon(Answer::Never).await);
    let (asker, peer) = (dendrite.clone(), server.peer(0));
    let asking = tokio::spawn(async move { ask(&asker, peer).await });
    eventually("the request arrives", || server.seen.requests() == 1).await;
    server.kill().await;
    assert_eq!(asking.await.unwrap().code, Code::Unavailable);
}

#[tokio::test]
async fn a_peer_that_restarted_between_two_calls_costs_none() {
    let dendrite = dendrite();
    let server = axon(Answer::First).await;
    let peer = server.peer(0);
    assert!(ask(&dendrite, peer).await.is_success());
    let address = server.kill().await;
    open_are(&dendrite, 0).await;
    let _server = axon_at(address, Answer::First).await;
    assert!(ask(&dendrite, peer).await.is_success());
}

#[tokio::test]
async fn who_left_the_network_is_forgotten() {
    let (stays, leaves) = (axon(Answer::First).await, axon(Answer::First).await);
    let dendrite = dendrite();
    ask_all(&dendrite, &[stays.peer(0), leaves.peer(1)], Finish::All).await;
    dendrite.retain(|hotkey| *hotkey == stays.peer(0).hotkey);
    let known: Vec<_> = dendrite.stats().iter().map(|peer| peer.hotkey).collect();
    assert_eq!(known, [stays.peer(0).hotkey]);
    open_are(&dendrite, 1).await;
}

#[tokio::test]
async fn connections_that_lead_nowhere_any_more_are_closed_without_a_call() {
    let servers = [
        axon(Answer::First).await,
        axon(Answer::First).await,
        axon(Answer::First).await,
    ];
    let peers = [servers[0].peer(0), servers[1].peer(1), servers[2].peer(2)];
    let dendrite = dendrite();
    ask_all(&dendrite, &peers, Finish::All).await;
    assert_eq!(connected(&dendrite), [true; 3]);

    // The first stays, the second has moved, the third serves no more.
    let new = axon(Answer::First).await;
    let now = [peers[0], new.peer(1)];
    dendrite.keep(&now);
    open_are(&dendrite, 1).await;
    assert_eq!(connected(&dendrite), [true, false, false]);
    let successes: Vec<u64> = dendrite.stats().iter().map(|peer| peer.successes).collect();
    assert_eq!(successes, [1; 3], "what is known of them stays");

    let outcomes = ask_all(&dendrite, &now, Finish::All).await;
    assert!(outcomes.iter().all(Outcome::is_success));
    let connections = [&servers[0], &servers[1], &new].map(|server| server.seen.connections());
    assert_eq!(connections, [1, 1, 1], "the first is the same as before");
}

#[tokio::test]
async fn a_call_under_way_survives_that_its_peer_withdraws() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = axon(Answer::Held(gate.clone())).await;
    let (dendrite, peer) = (dendrite(), slow.peer(0));
    let asking = tokio::spawn({
        let dendrite = dendrite.clone();
        async move { ask(&dendrite, peer).await }
    });
    eventually("the request arrives", || slow.seen.requests() == 1).await;
    dendrite.keep(&[]);
    gate.add_permits(1);
    assert!(asking.await.unwrap().is_success());
    open_are(&dendrite, 0).await;
}
