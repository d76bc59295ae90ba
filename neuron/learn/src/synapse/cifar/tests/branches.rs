//! Which part of the model learns from what.

use super::*;
use crate::dataset::Synthetic;
use crate::optim::{Sgd, SgdConfig, clip_grad_norm, zero_gradients};
use crate::router::{Router, RouterConfig};

#[test]
fn the_loss_is_the_sum_of_those_that_exist() {
    let (cifar, images) = (small(), numbers(&[2, 3, 16, 16]));
    let (labels, network) = (
        Labels::from(&Tensor::from_slice(&[1i64, 2])),
        numbers(&[2, 12]),
    );
    let losses = |labels: Option<&Labels>, network: Option<&Tensor>| {
        let output = cifar.forward(&images, labels, network, Mode::Evaluation);
        let output = output.unwrap();
        let parts = [
            output.local_target_loss,
            output.network_target_loss,
            output.distillation_loss,
        ];
        let value = |loss: Option<Tensor>| loss.map(|loss| loss.double_value(&[]));
        (value(output.loss), parts.map(value))
    };
    let (none, parts) = losses(None, None);
    assert_eq!((none, parts), (None, [None; 3]));
    assert!(
        matches!(losses(Some(&labels), None), (Some(sum), [Some(local), None, None]) if sum == local)
    );
    assert!(
        matches!(losses(None, Some(&network)), (Some(sum), [None, None, Some(distillation)]) if sum == distillation)
    );
    let (sum, parts) = losses(Some(&labels), Some(&network));
    let expected: f64 = parts.into_iter().map(Option::unwrap).sum();
    assert!((sum.unwrap() - expected).abs() < 1e-6);
}

#[test]
fn the_student_learns_from_distillation_only_and_alone() {
    let (images, network) = (numbers(&[2, 3, 16, 16]), numbers(&[2, 12]));
    let labels = Labels::from(&Tensor::from_slice(&[1i64, 2]));
    let output = |cifar: &Cifar, network| {
        let output = cifar.forward(&images, Some(&labels), network, Mode::Training);
        output.unwrap()
    };

    let alone = small();
    output(&alone, None).loss.unwrap().backward();
    let moved_alone = moved(&alone);
    assert!(moved_alone.iter().any(of("transform")) && moved_alone.iter().any(of("hidden")));
    assert!(!moved_alone.iter().any(of("student")));

    let targets = small();
    let both = output(&targets, Some(&network));
    (both.local_target_loss.unwrap() + both.network_target_loss.unwrap()).backward();
    assert!(!moved(&targets).iter().any(of("student")));

    let imitating = small();
    let distilled = output(&imitating, Some(&network)).distillation_loss;
    distilled.unwrap().backward();
    let moved = moved(&imitating);
    assert_eq!(moved.len(), 6, "{moved:?}");
    assert!(moved.iter().all(of("student")));
}

#[test]
fn the_network_learns_from_the_network_branch_only() {
    let (cifar, images) = (small(), numbers(&[2, 3, 16, 16]));
    let labels = Labels::from(&Tensor::from_slice(&[1i64, 2]));
    let network = numbers(&[2, 12]).set_requires_grad(true);
    let output = || {
        cifar
            .forward(&images, Some(&labels), Some(&network), Mode::Training)
            .unwrap()
    };
    let others = output();
    (others.local_target_loss.unwrap() + others.distillation_loss.unwrap()).backward();
    assert!(!network.grad().defined());
    output().network_target_loss.unwrap().backward();
    assert!(network.grad().abs().sum(Kind::Double).double_value(&[]) > 0.0);
}

#[test]
fn the_router_routes_by_the_transform_and_learns_from_the_network_branch() {
    use neuron_wallet::PublicKey;

    let (cifar, images) = (small(), numbers(&[4, 3, 16, 16]));
    let labels = Labels::from(&Tensor::from_slice(&[1i64, 2, 3, 4]));
    let config = RouterConfig {
        x_dim: cifar.d_context(),
        key_dim: 5,
        topk: 2,
    };
    let mut router = Router::new(config, 1, CPU);
    let peers = [1, 2, 3].map(|i| PublicKey([i; 32]));

    let perception = cifar.perceive(&images, Mode::Training).unwrap();
    let context = &perception.context;
    assert_eq!(context.size(), [4, SMALL.d_transform()]);
    let (requests, routes) = router.route(&peers, context, &images).unwrap();
    let responses: Vec<_> = requests
        .iter()
        .zip(10..)
        .map(|(request, seed)| {
            let peer = Cifar::new(SMALL, seed, CPU).copy();
            Some(peer.encode(Modality::Image, request).unwrap())
        })
        .collect();
    let joined = router.join(&routes, &responses, &[12]).unwrap();
    let network = joined.context();
    let output = cifar
        .conclude(&perception, Some(&labels), Some(network))
        .unwrap();

    let moves = |loss: &Tensor, at: &Tensor| {
        let gradient = Tensor::run_backward(&[loss], &[at], true, false).remove(0);
        gradient.abs().max().double_value(&[]) > 0.0
    };
    let gate = &router.parameters()["router.gate.weight"];
    assert!(moves(output.network_target_loss.as_ref().unwrap(), gate));
    // What was joined knows the images by the gates alone: that is the context's way through the router.
    assert!(moves(&network.sum(Kind::Float), context));
    output.distillation_loss.unwrap().backward();
    assert!(!gate.grad().defined() && moved(&cifar).iter().all(of("student")));
}

#[test]
fn a_peers_gradient_moves_the_local_branch_and_no_statistics() {
    let cifar = small();
    let statistics = values(&cifar.buffers());
    cifar
        .accumulate(
            Modality::Image,
            &numbers(&[2, 3, 16, 16]),
            &Tensor::ones([2, 12], (Kind::Float, CPU)),
        )
        .unwrap();
    let moved = moved(&cifar);
    assert!(moved.iter().any(of("transform")) && moved.iter().any(of("hidden")));
    assert!(
        !moved
            .iter()
            .any(|name| of("student")(name) || of("target")(name))
    );
    assert!(are_equal(&cifar.buffers(), &statistics));
}

#[test]
fn a_few_steps_on_the_synthetic_images_reduce_the_loss() {
    let drawn = Synthetic {
        n_train: 64,
        n_test: 10,
        ..Default::default()
    };
    let examples = drawn.draw().train;
    let wider_heads = CifarConfig {
        d_hidden: [32, 32],
        d_target: 32,
        ..SMALL
    };
    let cifar = Cifar::new(wider_heads, 3, CPU);
    let parameters = cifar.parameters();
    let mut sgd = Sgd::new(SgdConfig::default());
    let losses: Vec<f64> = (0..22)
        .map(|_| {
            let (images, labels) = (examples.images(), examples.labels().into());
            let output = cifar.forward(images, Some(&labels), None, Mode::Training);
            let loss = output.unwrap().loss.unwrap();
            zero_gradients(&parameters);
            loss.backward();
            clip_grad_norm(&parameters, 1.0);
            sgd.step(&parameters, 0.1);
            loss.double_value(&[])
        })
        .collect();
    assert!(losses[21] < 0.9 * losses[0], "{losses:?}");
}
