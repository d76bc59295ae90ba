use neuron_wallet::PublicKey;
use proptest::prelude::*;

use super::{super::tests::router, *};
use crate::{codistillation, optim::zero_gradients, router::Router};

const CPU: Device = Device::Cpu;
/// Rows, places of each, and classes.
const SIZE: [i64; 3] = [4, 2, 6];

/// Four rows, each of which goes to two of three peers.
fn routes(router: &mut Router) -> Routes {
    let peers = [1, 2, 3].map(|seed| PublicKey([seed; 32]));
    let context = Tensor::arange(SIZE[0], (Kind::Float, CPU)).reshape([-1, 1]) - 1.5;
    router.route(&peers, &context, &context).unwrap().1
}

/// Log-probabilities that differ from place to place, and with this number.
fn distributions(size: [i64; 3], number: f64) -> Tensor {
    let n: i64 = size.iter().product();
    let waves = (Tensor::arange(n, (Kind::Float, CPU)) * 1.7 + number).sin();
    (waves * 3.0).reshape(size).log_softmax(-1, Kind::Float)
}

/// What peer `j` thinks, of the rows that it gets.
fn thinks(routes: &Routes, peer: usize) -> Tensor {
    let n_rows = routes.rows(peer).len() as i64;
    distributions([n_rows, SIZE[1], SIZE[2]], 10.0 * peer as f64)
}

/// The `n` likeliest classes.
fn part(distributions: &Tensor, n: i64) -> Likeliest {
    let (log_probabilities, classes) = distributions.topk(n, -1, true, true);
    Likeliest {
        log_probabilities,
        classes,
    }
}

/// What all think, as far as they tell it.
fn all_tell(routes: &Routes, n: i64) -> Vec<Option<Likeliest>> {
    let peers = 0..routes.peers().len();
    peers
        .map(|peer| Some(part(&thinks(routes, peer), n)))
        .collect()
}

fn vec(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).reshape(-1)).unwrap()
}

/// What was told, completed class by class, as the definition has it: probabilities of the rows that a peer gets.
fn completed(told: &Likeliest, own: &Tensor, rows: &[i64]) -> Tensor {
    let size = |size: i64| usize::try_from(size).unwrap();
    let n_classes = size(SIZE[2]);
    let own = vec(&own.index_select(0, &Tensor::from_slice(rows)).exp());
    let n_told = size(told.classes.size()[2]);
    let logarithms = vec(&told.log_probabilities);
    let classes: Vec<i64> = Vec::try_from(told.classes.reshape(-1)).unwrap();
    let mut all = Vec::new();
    for (place, own) in own.chunks(n_classes).enumerate() {
        let range = place * n_told..(place + 1) * n_told;
        let told: Vec<(usize, f64)> = classes[range.clone()]
            .iter()
            .zip(&logarithms[range])
            .map(|(class, logarithm)| (size(*class), logarithm.exp()))
            .collect();
        let sum: f64 = told.iter().map(|(_, p)| p).sum();
        let of = |class: usize| told.iter().find(|(other, _)| *other == class);
        let untold = (0..n_classes).filter(|class| of(*class).is_none());
        let untold: f64 = untold.map(|class| own[class]).sum();
        for (class, own) in own.iter().enumerate() {
            all.push(match of(class) {
                Some((_, p)) => p / sum.max(1.0),
                None => (1.0 - sum).max(0.0) * own / untold,
            });
        }
    }
    let shape = [rows.len() as i64, SIZE[1], SIZE[2]];
    Tensor::from_slice(&all).to_kind(Kind::Float).reshape(shape)
}

/// The gradients of the router's parameters for a loss that looks at every number of what was joined.
fn gradients(router: &Router, joined: &Joined) -> Vec<Vec<f64>> {
    let parameters = router.parameters();
    zero_gradients(&parameters);
    let sum = joined.context() * distributions(SIZE, 77.0);
    sum.sum(Kind::Float).backward();
    let moved = parameters.values().map(|parameter| vec(&parameter.grad()));
    moved.collect()
}

fn assert_near(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (one, other) in ours.iter().zip(theirs) {
        assert!((one - other).abs() < 1e-5, "{ours:?} {theirs:?}");
    }
}

#[test]
fn what_peers_told_is_completed_by_the_definition_and_moves_gates_as_all_of_it_would() {
    let mut router = router(2);
    let own = distributions(SIZE, 40.0);
    for n in 0..=SIZE[2] {
        let routes_of_part = routes(&mut router);
        let told = all_tell(&routes_of_part, n);
        let joined = join_likeliest(&routes_of_part, &told, &own).unwrap();
        let moved = gradients(&router, &joined);

        let routes_of_all = routes(&mut router);
        let of_peer = |(peer, told): (usize, &Option<Likeliest>)| {
            let told = told.as_ref()?;
            Some(completed(told, &own, routes_of_all.rows(peer)))
        };
        let all: Vec<_> = told.iter().enumerate().map(of_peer).collect();
        let expected = router.join(&routes_of_all, &all, &SIZE[1..]).unwrap();
        assert_near(&vec(joined.context()), &vec(expected.context()));
        let expected = gradients(&router, &expected);
        for (moved, expected) in moved.iter().zip(&expected) {
            assert_near(moved, expected);
        }
    }
}

#[test]
fn all_classes_told_one_by_one_are_what_is_told_at_once() {
    let mut router = router(2);
    let routes = routes(&mut router);
    let own = distributions(SIZE, 40.0);
    let all: Vec<_> = (0..3).map(|peer| Some(thinks(&routes, peer))).collect();
    let at_once = codistillation::join(&router, &routes, &all, &SIZE[1..]).unwrap();
    let one_by_one = join_likeliest(&routes, &all_tell(&routes, SIZE[2]), &own).unwrap();
    let difference = (at_once.context() - one_by_one.context()).abs().max();
    assert!(difference.double_value(&[]) < 1e-6, "{difference:?}");
}

#[test]
fn who_hears_its_own_words_learns_nothing() {
    let mut router = router(2);
    let routes = routes(&mut router);
    let own = distributions(SIZE, 40.0);
    for n in 0..=SIZE[2] {
        let echo = |peer| {
            let rows = Tensor::from_slice(routes.rows(peer));
            Some(part(&own.index_select(0, &rows), n))
        };
        let told: Vec<_> = (0..3).map(echo).collect();
        let joined = join_likeliest(&routes, &told, &own).unwrap();
        assert_near(&vec(joined.context()), &vec(&own.exp()));
    }
}

#[test]
fn of_what_it_does_not_tell_a_peer_moves_nothing_but_the_sum() {
    let mut router = router(2);
    let routes = routes(&mut router);
    let own = distributions(SIZE, 40.0);
    // All tell of classes 0 and 1 only, that each has a quarter.
    let of_peer = |peer| {
        let shape = [routes.rows(peer).len() as i64, SIZE[1], 1];
        Some(Likeliest {
            log_probabilities: Tensor::from_slice(&[0.25f32.ln(); 2]).repeat(shape),
            classes: Tensor::from_slice(&[1i64, 0]).repeat(shape),
        })
    };
    let told: Vec<_> = (0..3).map(of_peer).collect();
    let joined = vec(join_likeliest(&routes, &told, &own).unwrap().context());
    let own = vec(&own.exp());
    for (joined, own) in joined.chunks(6).zip(own.chunks(6)) {
        assert_near(&joined[..2], &[0.25, 0.25]);
        let untold: f64 = own[2..].iter().sum();
        let shares: Vec<f64> = own[2..].iter().map(|own| own / untold * 0.5).collect();
        assert_near(&joined[2..], &shares);
    }
}

proptest! {
    #[test]
    fn nobody_is_heard_more_by_shouting(
        loudness in -20f64..20.0,
        sharpness in 0f64..60.0,
        n in 0i64..=6,
    ) {
        let mut router = router(2);
        let routes = routes(&mut router);
        // A model that may be certain of one class.
        let own = (distributions(SIZE, 40.0) * sharpness).log_softmax(-1, Kind::Float);
        let told: Vec<_> = all_tell(&routes, n)
            .into_iter()
            .flatten()
            .map(|quiet| Some(Likeliest {
                log_probabilities: quiet.log_probabilities + loudness,
                ..quiet
            }))
            .collect();
        let joined = join_likeliest(&routes, &told, &own).unwrap();
        let probabilities = joined.context();
        prop_assert!(probabilities.min().double_value(&[]) > -1e-3);
        let sums = probabilities.sum_dim_intlist(-1i64, false, Kind::Double);
        prop_assert!(sums.max().double_value(&[]) < 1.0 + 1e-3, "{:?}", vec(&sums));
    }
}

#[test]
fn who_does_not_answer_is_not_completed() {
    let mut router = router(2);
    let routes = routes(&mut router);
    let own = distributions(SIZE, 40.0);
    let mut told = all_tell(&routes, 2);
    told[1] = None;
    let joined = join_likeliest(&routes, &told, &own).unwrap();
    let lost = vec(joined.lost_gate_mass());
    assert_near(&lost, &vec(&routes.gates().select(1, 1)));
    // What is left adds up to the gates of those that answered.
    let sums = joined.context().sum_dim_intlist(-1i64, false, Kind::Float);
    let left: Vec<f64> = lost.iter().flat_map(|lost| [1.0 - lost; 2]).collect();
    assert_near(&vec(&sums), &left);

    let nobody = join_likeliest(&routes, &[None, None, None], &own).unwrap();
    assert_eq!(vec(nobody.context()), [0.0; 48]);
    assert_near(&vec(nobody.lost_gate_mass()), &[1.0; 4]);
}

#[test]
fn images_have_one_place() {
    let mut router = router(2);
    let routes = routes(&mut router);
    let own = distributions(SIZE, 40.0).select(1, 0);
    let of_peer = |peer| Some(part(&thinks(&routes, peer).select(1, 0), 6));
    let told: Vec<_> = (0..3).map(of_peer).collect();
    let joined = join_likeliest(&routes, &told, &own).unwrap();
    assert_eq!(joined.context().size(), [4, 6]);
    let sums = joined.context().sum_dim_intlist(-1i64, false, Kind::Float);
    assert_near(&vec(&sums), &[1.0; 4]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut router = router(2);
    let routes = routes(&mut router);
    let own = distributions(SIZE, 40.0);
    let refused = |told: &[Option<Likeliest>]| join_likeliest(&routes, told, &own).unwrap_err();
    assert!(matches!(
        refused(&[None, None]),
        RouterError::Responses {
            expected: 3,
            arrived: 2
        }
    ));
    for class in [-1, SIZE[2]] {
        let mut told = all_tell(&routes, 2);
        let one = told[1].as_mut().unwrap();
        let _ = one.classes.select(0, 0).fill_(class);
        assert!(matches!(refused(&told), RouterError::Class { .. }));
    }
    let mut told = all_tell(&routes, 2);
    told[1] = Some(part(&thinks(&routes, 1), 3));
    assert!(matches!(refused(&told), RouterError::ResponseShape { .. }));
    let mut told = all_tell(&routes, 2);
    let one = told[1].as_mut().unwrap();
    one.classes = one.classes.narrow(1, 0, 1);
    assert!(matches!(refused(&told), RouterError::ResponseShape { .. }));
}
