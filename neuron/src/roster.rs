//! Who may call and where peers are, for axon and dendrite, out of what the chain says.

use std::sync::Arc;

use neuron_metagraph::{Metagraph, Neuron, Protocol};
use neuron_peer::{Member, Roster, RosterWatch};
use tokio::sync::watch;

/// The neurons of a network, as axon and dendrite know them.
pub fn roster(metagraph: &Metagraph) -> Roster {
    Roster::new(metagraph.block.number, metagraph.neurons.iter().map(member))
}

/// The roster of each metagraph that comes, from the one that is there on. Ends with the metagraphs, or with its last
/// receiver. To be called in a runtime.
pub fn follow(metagraphs: watch::Receiver<Arc<Metagraph>>) -> RosterWatch {
    relay(metagraphs, roster)
}

fn member(neuron: &Neuron) -> Member {
    Member {
        uid: neuron.uid,
        hotkey: neuron.hotkey,
        stake: neuron.stake,
        validator_permit: neuron.validator_permit,
        address: neuron.endpoint.map(|endpoint| endpoint.address),
        plaintext: neuron
            .endpoint
            .is_some_and(|endpoint| endpoint.protocol == Protocol::GrpcPlain),
    }
}

/// Sends on what comes of each value.
fn relay<A, B>(mut values: watch::Receiver<Arc<A>>, derive: fn(&A) -> B) -> watch::Receiver<Arc<B>>
where
    A: Send + Sync + 'static,
    B: Send + Sync + 'static,
{
    let first = derive(&values.borrow_and_update());
    let (sender, derived) = watch::channel(Arc::new(first));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = values.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
            let value = Arc::clone(&values.borrow_and_update());
            sender.send_replace(Arc::new(derive(&value)));
        }
    });
    derived
}

#[cfg(test)]
mod tests {
    use neuron_metagraph::{Endpoint, Synapses};
    use neuron_wallet::PublicKey;

    use super::*;

    fn neuron(protocol: Protocol) -> Neuron {
        Neuron {
            endpoint: Some(Endpoint {
                address: "127.0.0.1:8091".parse().unwrap(),
                protocol,
                version: 1,
                synapses: Synapses::default(),
            }),
            stake: 5,
            validator_permit: true,
            ..Neuron::new(3, PublicKey([1; 32]), PublicKey([2; 32]), 10)
        }
    }

    #[test]
    fn a_member_is_what_the_chain_says_of_a_neuron() {
        let expected = Member {
            uid: 3,
            hotkey: PublicKey([1; 32]),
            stake: 5,
            validator_permit: true,
            address: Some("127.0.0.1:8091".parse().unwrap()),
            plaintext: false,
        };
        assert_eq!(member(&neuron(Protocol::GrpcTls)), expected);
        assert!(member(&neuron(Protocol::GrpcPlain)).plaintext);

        let silent = Neuron {
            endpoint: None,
            ..neuron(Protocol::GrpcTls)
        };
        assert_eq!(
            member(&silent),
            Member {
                address: None,
                ..expected
            }
        );
    }

    #[tokio::test]
    async fn what_is_derived_follows_what_it_is_derived_from() {
        let (sender, values) = watch::channel(Arc::new(1_u32));
        let mut doubled = relay(values, |value| value * 2);
        assert_eq!(**doubled.borrow_and_update(), 2);
        sender.send_replace(Arc::new(21));
        doubled.changed().await.unwrap();
        assert_eq!(**doubled.borrow_and_update(), 42);
        drop(sender);
        assert!(doubled.changed().await.is_err());
    }

    #[tokio::test]
    async fn nothing_is_derived_for_nobody() {
        let (sender, values) = watch::channel(Arc::new(1_u32));
        drop(relay(values, |value| value * 2));
        sender.closed().await;
    }
}
