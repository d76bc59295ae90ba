//! How an axon ends.

use std::time::Duration;

use neuron_peer::axon::AxonConfig;
use tokio::net::TcpStream;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    harness::{Setup, patient, within},
    requests::{ask, request},
};

fn with_grace(grace: Duration) -> AxonConfig {
    AxonConfig {
        shutdown_grace: grace,
        ..patient()
    }
}

#[tokio::test]
async fn requests_under_way_are_answered_and_nobody_new_is_let_in() {
    let (setup, mut script) = Setup::scripted();
    // Longer than the test may take: what ends here, ends by itself.
    let config = with_grace(Duration::from_secs(3600));
    let axon = Setup { config, ..setup }.start().await;
    let client = axon.client("//Alice").await;
    let asked = tokio::spawn(async move { ask(&client, request(&[[1.0, 2.0]])).await });
    assert_eq!(script.began().await, 1);

    axon.shutdown.cancel();
    within(async {
        while TcpStream::connect(axon.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    script.proceed();
    assert!(within(asked).await.unwrap().is_ok());
    axon.ended().await;
}

#[tokio::test]
async fn a_stuck_client_and_a_stuck_model_do_not_hold_it() {
    let (setup, mut script) = Setup::scripted();
    let config = with_grace(Duration::from_millis(100));
    let axon = Setup { config, ..setup }.start().await;
    let client = axon.client("//Alice").await;
    let stuck = tokio::spawn(async move { ask(&client, request(&[[1.0, 2.0]])).await });
    assert_eq!(script.began().await, 1);
    // And one that does not even finish its handshake.
    let _silent = TcpStream::connect(axon.address).await.unwrap();
    axon.stop().await;
    assert!(within(stuck).await.unwrap().is_err());
}

#[tokio::test]
async fn health_says_so_first() {
    let axon = Setup {
        config: with_grace(Duration::from_secs(60)),
        ..Setup::default()
    }
    .start()
    .await;
    let mut client = HealthClient::new(axon.channel("//Alice").await);
    let asked = HealthCheckRequest {
        service: "neuron.v1.Axon".to_owned(),
    };
    let mut watched = within(client.watch(asked)).await.unwrap().into_inner();
    let first = within(watched.message()).await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    axon.shutdown.cancel();
    let second = within(watched.message()).await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);
    drop((watched, client));
    axon.ended().await;
}

#[tokio::test]
async fn its_port_is_free_again() {
    let axon = Setup::default().start().await;
    let address = axon.address;
    let client = axon.client("//Alice").await;
    assert!(ask(&client, request(&[[1.0, 2.0]])).await.is_ok());
    axon.stop().await;
    tokio::net::TcpListener::bind(address).await.unwrap();
}
