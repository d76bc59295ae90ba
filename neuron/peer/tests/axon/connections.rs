//! How connections are limited, and how they end.

use std::{net::Ipv4Addr, num::NonZeroU32, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use neuron_peer::{
    Roster,
    axon::{AxonConfig, Rate},
    nucleus::NucleusConfig,
};
use neuron_proto::{Code, Tensor, v1::axon_client::AxonClient};
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

use crate::{
    harness::{Doubler, PATIENCE, Pause, Sent, Setup, framed, identity, member, patient, within},
    requests::{ask, refusal, request, tensor_request},
};

const FORWARD: &str = "/neuron.v1.Axon/Forward";
const CHECK: &str = "/grpc.health.v1.Health/Check";

#[tokio::test]
async fn a_caller_that_is_deregistered_loses_its_connection() {
    let (setup, mut script) = Setup::scripted();
    let axon = setup.start().await;
    let (alice, bob) = (axon.client("//Alice").await, axon.client("//Bob").await);
    let asked = |client: &AxonClient<_>| {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, request(&[[1.0, 2.0]])).await })
    };
    let (by_alice, by_bob) = (asked(&alice), asked(&bob));
    script.began().await;
    axon.counted("neuron_axon_connections 2").await;

    // A block without Alice, whose request is still with the model.
    axon.roster
        .send(Arc::new(Roster::new(2, [member("//Bob", 1, 5)])))
        .unwrap();
    assert!(within(by_alice).await.unwrap().is_err());
    axon.counted("neuron_axon_connections 1").await;
    axon.counted(r#"neuron_axon_connections_closed_total{reason="deregistered"} 1"#)
        .await;

    // Bob noticed nothing.
    drop(script.proceed_for_ever());
    assert!(within(by_bob).await.unwrap().is_ok());
    // Who comes again is told why.
    assert_eq!(
        refusal(&axon.client("//Alice").await, request(&[[1.0, 2.0]])).await,
        Code::SenderUnknown
    );
    axon.stop().await;
}

#[tokio::test]
async fn a_stranger_that_registers_is_served_on_the_connection_it_has() {
    let axon = Setup::default().start().await;
    let client = axon.client("//Dave").await;
    assert_eq!(
        refusal(&client, request(&[[1.0, 2.0]])).await,
        Code::SenderUnknown
    );
    axon.roster
        .send(Arc::new(Roster::new(2, [member("//Dave", 0, 1)])))
        .unwrap();
    assert!(ask(&client, request(&[[1.0, 2.0]])).await.is_ok());
    axon.stop().await;
}

#[tokio::test]
async fn a_caller_has_only_so_many_connections() {
    let config = AxonConfig {
        max_connections_per_caller: 2,
        max_connections_of_strangers: 1,
        ..patient()
    };
    let axon = Setup {
        config,
        ..Setup::default()
    }
    .start()
    .await;
    let mut clients = Vec::new();
    for uri in ["//Alice", "//Alice", "//Bob", "//Mallory"] {
        clients.push(axon.client(uri).await);
    }
    axon.counted("neuron_axon_connections 4").await;
    for (uri, reason) in [("//Alice", "caller"), ("//Mallet", "strangers")] {
        let config = identity(uri).client_config(axon.hotkey).unwrap();
        // The handshake is over before the place is asked for.
        if let Ok(channel) = axon.connect(config, Pause::default()).await {
            assert!(
                ask(&AxonClient::new(channel), request(&[[1.0, 2.0]]))
                    .await
                    .is_err()
            );
        }
        let line = format!(r#"neuron_axon_connections_refused_total{{reason="{reason}"}} "#);
        within(async {
            while !(1..10).any(|n| axon.counts(&format!("{line}{n}"))) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
    for client in &clients[..3] {
        assert!(ask(client, request(&[[1.0, 2.0]])).await.is_ok());
    }
    axon.stop().await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_dropped() {
    let config = AxonConfig {
        handshake_timeout: Duration::from_secs(3),
        max_handshakes_per_address: 2,
        ..patient()
    };
    let axon = Setup {
        config,
        ..Setup::default()
    }
    .start()
    .await;
    let mut silent = [
        TcpStream::connect(axon.address).await.unwrap(),
        TcpStream::connect(axon.address).await.unwrap(),
    ];
    for stream in &mut silent {
        assert_eq!(
            within(stream.read(&mut [0; 1])).await.unwrap_or_default(),
            0
        );
    }
    axon.counted(r#"neuron_axon_handshake_failures_total{reason="timeout"} 2"#)
        .await;
    assert!(
        ask(&axon.client("//Alice").await, request(&[[1.0, 2.0]]))
            .await
            .is_ok()
    );
    axon.stop().await;
}

#[tokio::test]
async fn one_address_has_only_so_many_handshakes() {
    let config = AxonConfig {
        max_handshakes_per_address: 2,
        ..patient()
    };
    let axon = Setup {
        config,
        ..Setup::default()
    }
    .start()
    .await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(TcpStream::connect(axon.address).await.unwrap());
    }
    let line = r#"neuron_axon_connections_refused_total{reason="handshakes_of_address"} 1"#;
    axon.counted(line).await;
    axon.stop().await;
}

#[tokio::test]
async fn one_address_begins_handshakes_only_so_fast() {
    let config = AxonConfig {
        handshake_rate_per_address: Rate {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::MIN,
        },
        ..patient()
    };
    let axon = Setup {
        config,
        ..Setup::default()
    }
    .start()
    .await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(TcpStream::connect(axon.address).await.unwrap());
    }
    // Who may begin is waited for; who may not is hung up on.
    let mut ends: FuturesUnordered<_> = streams
        .iter_mut()
        .map(|stream| async { stream.read(&mut [0]).await.unwrap_or(0) })
        .collect();
    assert_eq!(within(ends.next()).await, Some(0));
    let refused = |n| {
        let name = "neuron_axon_connections_refused_total";
        axon.counts(&format!(
            r#"{name}{{reason="handshake_rate_of_address"}} {n}"#
        ))
    };
    assert!((1..16).any(refused));
    drop(ends);
    axon.stop().await;
}

/// Every address of 127.0.0.0/8 is this machine, on Linux.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn silent_sockets_from_a_few_addresses_keep_nobody_out() {
    let config = AxonConfig {
        max_handshakes: 8,
        max_handshakes_per_address: 4,
        // None of them ends by its time.
        handshake_timeout: 10 * PATIENCE,
        ..patient()
    };
    let axon = Setup {
        config,
        ..Setup::default()
    }
    .start()
    .await;
    let mut silent = Vec::new();
    for place in 0..8 {
        let socket = TcpSocket::new_v4().unwrap();
        let host = Ipv4Addr::new(127, 0, 0, 2 + place / 4);
        socket.bind((host, 0).into()).unwrap();
        silent.push(socket.connect(axon.address).await.unwrap());
    }
    let alice = axon.client("//Alice").await;
    assert!(ask(&alice, request(&[[1.0, 2.0]])).await.is_ok());
    axon.counted(r#"neuron_axon_handshake_failures_total{reason="evicted"} 1"#)
        .await;
    axon.stop().await;
}

#[tokio::test]
async fn half_sent_checks_of_a_stranger_take_a_few_places_and_no_more() {
    let config = AxonConfig {
        max_wait: 10 * PATIENCE,
        ..patient()
    };
    let axon = Setup {
        config,
        ..Setup::default()
    }
    .start()
    .await;
    let stranger = axon.raw("//Mallory").await;
    // Messages of 4 KiB are announced, of which half comes.
    let half = [&[0, 0, 0, 0x10, 0][..], &[0; 2 << 10]].concat();
    let mut checks: FuturesUnordered<_> = (0..256)
        .map(|_| stranger.send(CHECK, None, Sent::part(half.clone())))
        .collect();
    for _ in 0..256 - 16 {
        let status = within(checks.next()).await.unwrap().unwrap();
        assert_eq!(Code::of_status(&status), Code::NucleusFull, "{status}");
    }
    // The others wait for what was announced, and hinder only themselves.
    let check = Sent::whole(vec![0; 5]);
    let status = within(stranger.send(CHECK, None, check)).await.unwrap();
    assert_eq!(Code::of_status(&status), Code::NucleusFull, "{status}");
    assert_eq!(checks.len(), 16);
    let alice = axon.raw("//Alice").await;
    let check = Sent::whole(vec![0; 5]);
    let status = within(alice.send(CHECK, None, check)).await.unwrap();
    assert_eq!(status.code(), tonic::Code::Ok, "{status}");
    assert_eq!(axon.metric("neuron_axon_memory_peak_bytes"), 0.0);
    drop((stranger, checks));
    axon.stop().await;
}

#[tokio::test]
async fn requests_to_health_are_short_and_end() {
    let axon = Setup::default().start().await;
    let stranger = axon.raw("//Mallory").await;
    let checked = |timeout, sent| within(stranger.send(CHECK, timeout, sent));

    let announced = [0, 0, 0, 0x10, 1];
    let status = checked(None, Sent::part(announced.to_vec())).await.unwrap();
    assert_eq!(status.code(), tonic::Code::OutOfRange, "4,097 bytes");

    let long = Sent::part(vec![0; (16 << 10) + 1]);
    let status = checked(None, long).await.unwrap();
    assert_eq!(Code::of_status(&status), Code::InvalidRequest, "{status}");

    let half = Sent::part(vec![0, 0]);
    let status = checked(Some("50m"), half).await.unwrap();
    assert_eq!(Code::of_status(&status), Code::Timeout, "{status}");
    axon.stop().await;
}

#[tokio::test]
async fn a_caller_that_vanishes_in_the_middle_of_its_request_leaves_nothing() {
    let (setup, mut script) = Setup::scripted();
    let axon = setup.start().await;
    let whole = framed(&request(&[[1.0, 2.0]]));
    let raw = axon.raw("//Alice").await;
    let sent = raw.send(FORWARD, None, Sent::part(whole.slice(..whole.len() - 1)));
    let asked = tokio::spawn(sent);
    let held = format!("neuron_axon_memory_bytes {}", whole.len());
    axon.counted(&held).await;
    drop(raw);
    assert!(within(asked).await.unwrap().is_err());
    axon.counted("neuron_axon_connections 0").await;
    axon.counted("neuron_axon_memory_bytes 0").await;

    // What the model sees first is what is asked next.
    let alice = axon.client("//Alice").await;
    let asked = tokio::spawn(async move { ask(&alice, request(&[[1.0, 2.0]; 2])).await });
    assert_eq!(script.began().await, 2);
    script.proceed();
    assert!(within(asked).await.unwrap().is_ok());
    axon.stop().await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_loses_its_connection_and_costs_others_nothing() {
    // Answers of 4 MiB, more than sockets hold.
    const WIDTH: u32 = 1 << 20;
    let config = AxonConfig {
        stall_timeout: Duration::from_secs(1),
        ..patient()
    };
    let nucleus = NucleusConfig {
        max_request_rows: 4,
        ..NucleusConfig::default()
    };
    let model = Doubler {
        width: WIDTH,
        script: None,
    };
    let axon = Setup {
        config,
        nucleus,
        model,
        ..Setup::default()
    }
    .start()
    .await;
    let row = || tensor_request(Tensor::from_f32(&[1, WIDTH], &vec![1.0; 1 << 20]).unwrap());

    let pause = Pause::default();
    let client_config = identity("//Alice").client_config(axon.hotkey).unwrap();
    let channel = axon.connect(client_config, pause.clone()).await.unwrap();
    let alice = AxonClient::new(channel).max_decoding_message_size(usize::MAX);
    assert!(ask(&alice, row()).await.is_ok());
    pause.begin();
    let stuck = tokio::spawn(async move { ask(&alice, row()).await });
    axon.counted(r#"neuron_axon_connections_closed_total{reason="stalled"} 1"#)
        .await;

    let bob = axon.client("//Bob").await;
    assert!(ask(&bob, row()).await.is_ok());
    stuck.abort();
    axon.stop().await;
}

#[tokio::test]
async fn a_caller_cannot_hold_more_memory_than_its_share() {
    // Room for one message of 16 KiB with its envelope and its answer, not for two.
    let (setup, mut script) = Setup::scripted_with_width(4096);
    let config = AxonConfig {
        max_bytes_per_caller: 40 << 10,
        ..patient()
    };
    let nucleus = NucleusConfig {
        max_request_rows: 1,
        ..NucleusConfig::default()
    };
    let axon = Setup {
        config,
        nucleus,
        ..setup
    }
    .start()
    .await;
    let row = || tensor_request(Tensor::from_f32(&[1, 4096], &vec![1.0; 4096]).unwrap());
    let alice = axon.client("//Alice").await;
    let first = tokio::spawn({
        let (client, row) = (alice.clone(), row());
        async move { ask(&client, row).await }
    });
    assert_eq!(script.began().await, 1);
    assert_eq!(refusal(&alice, row()).await, Code::NucleusFull);
    // On another connection it is the same caller, and another caller has its own share.
    let again = axon.client("//Alice").await;
    assert_eq!(refusal(&again, row()).await, Code::NucleusFull);
    let bob = axon.client("//Bob").await;
    let bobs = row();
    let by_bob = tokio::spawn(async move { ask(&bob, bobs).await });
    drop(script.proceed_for_ever());
    for asked in [first, by_bob] {
        assert!(within(asked).await.unwrap().is_ok());
    }
    assert!(ask(&alice, row()).await.is_ok());
    axon.stop().await;
}
