use proptest::prelude::*;
use tch::Kind;

use super::*;

const CPU: Device = Device::Cpu;

fn peers(n: u8) -> Vec<PublicKey> {
    (1..=n).map(|i| PublicKey([i; 32])).collect()
}

fn router(x_dim: i64, topk: i64) -> Router {
    let config = RouterConfig {
        x_dim,
        key_dim: 100,
        topk,
    };
    Router::new(config, 7, CPU)
}

/// Numbers in -1..1 that repeat.
fn numbers(shape: &[i64]) -> Tensor {
    let n: i64 = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7 + 0.1).sin()).collect();
    Tensor::from_slice(&values).reshape(shape)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().reshape(-1)).unwrap()
}

/// Routes with these gates, instead of those that a router would choose.
fn routes(gates: &[&[f32]]) -> Routes {
    // exp(ln g) / Σ exp(ln g) = g for gates that sum to one
    let logs: Vec<f32> = gates.concat().into_iter().map(f32::ln).collect();
    let n_peers = gates[0].len();
    let scores = Tensor::from_slice(&logs).reshape([gates.len() as i64, n_peers as i64]);
    let peers = peers(u8::try_from(n_peers).unwrap());
    Routes::select(&peers, &scores, n_peers as i64, None).unwrap()
}

#[test]
fn answers_are_summed_by_their_gates() {
    // The origin's vector: 0.7·[1, 1] + 0.3·[2, 2] = [1.3, 1.3], and 1·[3, 3]; the first peer gets the first row only.
    let routes = routes(&[&[0.7, 0.3], &[0.0, 1.0]]);
    assert_eq!((routes.rows(0), routes.rows(1)), (&[0][..], &[0, 1][..]));
    let responses = [
        Some(Tensor::from_slice2(&[[1.0f32, 1.0]])),
        Some(Tensor::from_slice2(&[[2.0f32, 2.0], [3.0, 3.0]])),
    ];
    let joined = router(1, 2).join(&routes, &responses, &[2]).unwrap();
    for (out, expected) in values(joined.context()).iter().zip([1.3, 1.3, 3.0, 3.0]) {
        assert!((out - expected).abs() < 1e-6, "{out} {expected}");
    }
    assert_eq!(values(joined.lost_gate_mass()), [0.0, 0.0]);
}

#[test]
fn level_answers_are_equally_loud() {
    let routes = routes(&[&[0.75, 0.25]]);
    // One peer answers a thousand times as loud as the other; rms of [3, 1] is √5, of [−1, 2] √2.5.
    let responses = [
        Some(Tensor::from_slice2(&[[3e3f32, 1e3]])),
        Some(Tensor::from_slice2(&[[-1.0f32, 2.0]])),
    ];
    let joined = router(1, 2).join_level(&routes, &responses, &[2]).unwrap();
    let expected = [
        0.75 * 3.0 / 5f32.sqrt() - 0.25 / 2.5f32.sqrt(),
        0.75 / 5f32.sqrt() + 0.25 * 2.0 / 2.5f32.sqrt(),
    ];
    for (out, expected) in values(joined.context()).iter().zip(expected) {
        assert!((out - expected).abs() < 1e-6, "{out} {expected}");
    }
}

#[test]
fn silence_stays_silent_when_answers_are_levelled() {
    let routes = routes(&[&[1.0]]);
    let responses = [Some(Tensor::from_slice2(&[[0.0f32, 0.0]]))];
    let joined = router(1, 1).join_level(&routes, &responses, &[2]).unwrap();
    assert_eq!(values(joined.context()), [0.0, 0.0]);
    // And its gradient is a number.
    joined.context().sum(Kind::Float).backward();
    assert!(
        values(&joined.gradient(0).unwrap())
            .iter()
            .all(|g| g.is_finite())
    );
}

#[test]
fn requests_keep_the_inputs_trailing_dimensions_and_joins_the_responses() {
    // The origin's: x_dim 10, key_dim 100, ten peers, a batch of 2, inputs of width 11.
    let mut router = router(10, 10);
    let inputs = numbers(&[2, 11]);
    let (requests, routes) = router
        .route(&peers(10), &numbers(&[2, 10]), &inputs)
        .unwrap();
    assert_eq!(requests.len(), 10);
    assert!(requests.iter().all(|request| request.size()[1..] == [11]));
    let responses: Vec<_> = requests
        .iter()
        .map(|request| Some(numbers(&[request.size()[0], 5, 12])))
        .collect();
    let joined = router.join(&routes, &responses, &[5, 12]).unwrap();
    assert_eq!(joined.context().size(), [2, 5, 12]);
}

#[test]
fn a_context_of_another_width_is_refused_with_the_width_expected() {
    let mut router = router(10, 10);
    for context in [numbers(&[2, 11]), numbers(&[2, 1, 10]), numbers(&[20])] {
        let refused = router.route(&peers(10), &context, &numbers(&[2, 11]));
        let Err(error @ RouterError::Context { x_dim: 10, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert!(error.to_string().contains("[batch, 10]"), "{error}");
    }
    let refused = router.route(&peers(10), &numbers(&[2, 10]), &numbers(&[3, 11]));
    assert!(matches!(refused, Err(RouterError::Inputs { batch: 2, .. })));
}

#[test]
fn a_peer_that_is_tried_takes_the_last_place_and_counts_for_what_it_is_worth() {
    // The worst of four, of which two are asked, is tried.
    let scores = Tensor::from_slice2(&[[1.0f32, -5.0, 3.0, 0.0], [1.0, 4.0, 0.0, 0.0]]);
    let routes = Routes::select(&peers(4), &scores, 2, Some(1)).unwrap();
    assert_eq!(routes.rows(1), [0, 1]);
    assert_eq!((routes.rows(2), routes.rows(0)), (&[0i64][..], &[1i64][..]));
    let gates = values(routes.gates());
    // exp(-5) / (exp(-5) + exp(3)) = 1 / (1 + exp(8)); and exp(4) / (exp(4) + exp(1)) = 1 / (1 + exp(-3))
    assert!(
        (gates[1] - 1.0 / (1.0 + 8f32.exp())).abs() < 1e-6,
        "{gates:?}"
    );
    assert!(
        (gates[5] - 1.0 / (1.0 + (-3f32).exp())).abs() < 1e-6,
        "{gates:?}"
    );
    // Where all are asked anyway, nothing changes.
    let all = Routes::select(&peers(4), &scores, 4, None).unwrap();
    let tried = Routes::select(&peers(4), &scores, 4, Some(3)).unwrap();
    assert!(tried.gates().allclose(all.gates(), 1e-6, 1e-7, false));
}

#[test]
fn peers_that_are_not_selected_get_no_rows_and_no_gate() {
    // Scores of one row over four peers, and two may be asked: those with 3 and 1.
    let scores = Tensor::from_slice2(&[[1.0f32, -5.0, 3.0, 0.0]]);
    let routes = Routes::select(&peers(4), &scores, 2, None).unwrap();
    let gates = values(routes.gates());
    assert_eq!((gates[1], gates[3]), (0.0, 0.0));
    // exp(3) / (exp(3) + exp(1)) = 1 / (1 + exp(-2))
    assert!((gates[2] - 1.0 / (1.0 + (-2.0f32).exp())).abs() < 1e-6);
    let n_rows: Vec<usize> = (0..4).map(|peer| routes.rows(peer).len()).collect();
    assert_eq!(n_rows, [1, 0, 1, 0]);
}

#[test]
fn a_gate_that_underflows_asks_nothing_of_its_peer() {
    let scores = Tensor::from_slice2(&[[0.0f32, 1000.0]]);
    let routes = Routes::select(&peers(2), &scores, 2, None).unwrap();
    assert_eq!(values(routes.gates()), [0.0, 1.0]);
    assert!(routes.rows(0).is_empty());
}

#[test]
fn peers_with_different_numbers_of_rows_are_joined_row_by_row() {
    let routes = routes(&[&[1.0, 0.0, 0.0], &[0.5, 0.5, 0.0], &[1.0, 0.0, 0.0]]);
    let responses = [
        Some(Tensor::from_slice2(&[[1.0f32], [2.0], [3.0]])),
        Some(Tensor::from_slice2(&[[20.0f32]])),
        Some(Tensor::zeros([0, 1], (Kind::Float, CPU))),
    ];
    let joined = router(1, 3).join(&routes, &responses, &[1]).unwrap();
    // 1; 0.5·2 + 0.5·20; 3
    assert_eq!(values(joined.context()), [1.0, 11.0, 3.0]);
    assert_eq!(routes.mean_lost_gate_mass(&[true; 3]), 0.0);
}

#[test]
fn a_failed_peer_contributes_zero_and_its_gates_are_reported() {
    let routes = routes(&[&[0.5, 0.5], &[0.0, 1.0]]);
    let responses = [Some(Tensor::from_slice2(&[[4.0f32]])), None];
    let joined = router(1, 2).join(&routes, &responses, &[1]).unwrap();
    // 0.5·4, not 4: the gate that was lost is not shared out.
    assert_eq!(values(joined.context()), [2.0, 0.0]);
    assert_eq!(values(joined.lost_gate_mass()), [0.5, 1.0]);
    assert_eq!(routes.mean_lost_gate_mass(&[true, false]), 0.75);

    let nobody = router(1, 2).join(&routes, &[None, None], &[1]).unwrap();
    assert_eq!(values(nobody.context()), [0.0, 0.0]);
    assert_eq!(values(nobody.lost_gate_mass()), [1.0, 1.0]);
    assert_eq!(routes.mean_lost_gate_mass(&[false; 2]), 1.0);
}

#[test]
fn rows_of_a_failed_peer_go_to_the_next_best() {
    let scores = Tensor::from_slice2(&[[3.0f32, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]]);
    let routes = Routes::select(&peers(4), &scores, 2, None).unwrap();
    let (router, inputs) = (router(1, 2), Tensor::from_slice2(&[[5.0f32], [7.0]]));
    // The first row was for the first two peers, the second for the last two; the first peer fails.
    let failed = [true, false, false, false];
    let (requests, around) = router.reroute(&routes, &failed, &inputs).unwrap().unwrap();

    // Nobody but the third is asked again, about the first row.
    let sent: Vec<Vec<f32>> = requests.iter().map(values).collect();
    assert_eq!(sent, [vec![], vec![], vec![5.0], vec![]]);
    let rows: Vec<&[i64]> = (0..8).map(|place| around.rows(place)).collect();
    let (none, first, second) = (&[][..], &[0][..], &[1][..]);
    assert_eq!(
        rows,
        [first, first, second, second, none, none, first, none]
    );
    // 1 / (1 + exp(-1)) for the better, as between scores of 2 and 1; the other row has the gates that it had.
    let (better, worse) = (1.0 / (1.0 + (-1f32).exp()), 1.0 / (1.0 + 1f32.exp()));
    let expected = [
        [0.0, better, 0.0, 0.0, 0.0, 0.0, worse, 0.0],
        [0.0, 0.0, worse, better, 0.0, 0.0, 0.0, 0.0],
    ];
    for (gate, expected) in values(around.gates()).iter().zip(expected.concat()) {
        assert!((gate - expected).abs() < 1e-6, "{gate} {expected}");
    }

    let answer = |answer: f32| Some(Tensor::from_slice2(&[[answer]]));
    let said = [None, answer(10.0), answer(20.0), answer(30.0)];
    let joined = |then: [Option<Tensor>; 4]| {
        let all = said.iter().chain(&then);
        let all: Vec<_> = all.map(|one| one.as_ref().map(Tensor::copy)).collect();
        router.join(&around, &all, &[1]).unwrap()
    };
    let answered = joined([None, None, answer(40.0), None]);
    let expected = [better * 10.0 + worse * 40.0, worse * 20.0 + better * 30.0];
    for (out, expected) in values(answered.context()).iter().zip(expected) {
        assert!((out - expected).abs() < 1e-4, "{out} {expected}");
    }
    assert_eq!(values(answered.lost_gate_mass()), [0.0, 0.0]);
    // Who fails at the second time has failed.
    let lost = values(joined([None, None, None, None]).lost_gate_mass());
    assert!((lost[0] - worse).abs() < 1e-6 && lost[1] == 0.0, "{lost:?}");
}

#[test]
fn where_nobody_is_left_there_is_no_way_around() {
    let (router, inputs) = (router(1, 2), numbers(&[1, 1]));
    let scores = Tensor::from_slice2(&[[3.0f32, 2.0, 1.0]]);
    let routes = |topk| Routes::select(&peers(3), &scores, topk, Some(0)).unwrap();
    let around = |routes: &Routes, failed: &[bool]| router.reroute(routes, failed, &inputs);
    let is_none = |routes: &Routes, failed: &[bool]| around(routes, failed).unwrap().is_none();

    assert!(is_none(&routes(2), &[true; 3]), "everybody failed");
    let two = [true, true, false];
    assert!(is_none(&routes(3), &two), "everybody was asked");
    assert!(is_none(&routes(2), &[false; 3]), "nobody failed");
    // One who is tried and fails is as any other; and there is one way only.
    let (_, once) = around(&routes(1), &two).unwrap().unwrap();
    assert_eq!(once.rows(3 + 2), [0]);
    assert!(is_none(&once, &[true; 6]));
    assert!(matches!(
        around(&routes(1), &[true; 2]),
        Err(RouterError::Responses {
            expected: 3,
            arrived: 2
        })
    ));
}

#[test]
fn without_peers_the_context_is_zero() {
    let mut router = router(10, 10);
    let (requests, routes) = router
        .route(&[], &numbers(&[2, 10]), &numbers(&[2, 11]))
        .unwrap();
    assert!(requests.is_empty() && routes.mean_gates().is_empty());
    let joined = router.join(&routes, &[], &[5]).unwrap();
    assert_eq!(joined.context().size(), [2, 5]);
    assert!(values(joined.context()).iter().all(|&x| x == 0.0));
    assert_eq!(routes.mean_lost_gate_mass(&[]), 0.0);
}

#[test]
fn a_batch_without_rows_is_routed_and_joined() {
    let mut router = router(10, 10);
    let (requests, routes) = router
        .route(&peers(3), &numbers(&[0, 10]), &numbers(&[0, 1, 28, 28]))
        .unwrap();
    assert!(
        requests
            .iter()
            .all(|request| request.size() == [0, 1, 28, 28])
    );
    let joined = router.join(&routes, &[None, None, None], &[5]).unwrap();
    assert_eq!(joined.context().size(), [0, 5]);
    assert_eq!(routes.mean_gates(), [0.0; 3]);
}

#[test]
fn mean_gates_are_averaged_over_the_batch() {
    let routes = routes(&[&[1.0, 0.0, 0.0], &[0.5, 0.5, 0.0]]);
    assert_eq!(routes.mean_gates(), [0.75, 0.25, 0.0]);
}

#[test]
fn answers_that_were_not_asked_for_are_refused() {
    let routes = routes(&[&[0.5, 0.5]]);
    let router = router(1, 2);
    let one = || Some(Tensor::from_slice2(&[[1.0f32]]));
    assert!(matches!(
        router.join(&routes, &[one()], &[1]),
        Err(RouterError::Responses {
            expected: 2,
            arrived: 1
        })
    ));
    let two_rows = Some(Tensor::from_slice2(&[[1.0f32], [2.0]]));
    assert!(matches!(
        router.join(&routes, &[one(), two_rows], &[1]),
        Err(RouterError::ResponseShape { peer, .. }) if peer == PublicKey([2; 32])
    ));
    assert!(router.join(&routes, &[one(), one()], &[2]).is_err());
}

#[test]
fn a_context_with_nan_is_refused() {
    let mut router = router(10, 2);
    let context = Tensor::full([2, 10], f64::NAN, (Kind::Float, CPU));
    let refused = router.route(&peers(3), &context, &numbers(&[2, 11]));
    assert!(matches!(refused, Err(RouterError::NotFinite)));
}

#[test]
fn the_loss_reaches_gate_keys_and_answers() {
    let mut router = router(10, 2);
    let peers = peers(3);
    let (requests, routes) = router
        .route(&peers, &numbers(&[4, 10]), &numbers(&[4, 6]))
        .unwrap();
    let responses: Vec<_> = (0..3)
        .map(|peer| Some(&requests[peer] * (peer + 1) as f64))
        .collect();
    let joined = router.join(&routes, &responses, &[6]).unwrap();
    joined.context().square().sum(Kind::Float).backward();

    let selected: Vec<usize> = (0..3)
        .filter(|&peer| !routes.rows(peer).is_empty())
        .collect();
    assert!(selected.len() >= 2);
    for (name, parameter) in router.parameters() {
        let moves = values(&parameter.grad()).iter().any(|&x| x != 0.0);
        let unselected = (0..3)
            .any(|peer| !selected.contains(&peer) && name.ends_with(&peers[peer].to_string()));
        assert_eq!(moves, !unselected, "{name}");
    }
    for &peer in &selected {
        // L = Σ_b |out_b|², so dL/dresponse_j[b] = 2·g_bj·out_b
        let rows = Tensor::from_slice(routes.rows(peer));
        let gates = routes
            .gates()
            .narrow(1, peer as i64, 1)
            .index_select(0, &rows);
        let expected = joined.context().index_select(0, &rows) * gates * 2.0;
        let gradient = joined.gradient(peer).unwrap();
        assert!(gradient.allclose(&expected.detach(), 1e-5, 1e-6, false));
    }
}

#[test]
fn the_router_learns_who_helps_and_who_answers_garbage() {
    use crate::optim::{Sgd, SgdConfig, zero_gradients};

    // Of four peers one knows what is wanted, two know half of it each, and one answers anything.
    let (context, inputs, wanted) = (
        numbers(&[32, 10]),
        numbers(&[32, 1]),
        numbers(&[32, 8]).relu(),
    );
    let columns = Tensor::arange(8, (Kind::Float, CPU));
    let first_half = columns.lt(4.0).to_kind(Kind::Float);
    let garbage = numbers(&[8, 32]).tr().flip(0);
    let answers = [
        &wanted * &first_half,
        garbage,
        wanted.shallow_clone(),
        &wanted * (1.0 - &first_half),
    ];
    let (mut router, mut sgd) = (router(10, 4), Sgd::new(SgdConfig::default()));
    let peers = peers(4);
    let mut gates = Vec::new();
    for _ in 0..200 {
        let (_, routes) = router.route(&peers, &context, &inputs).unwrap();
        let responses: Vec<_> = answers.iter().map(|answer| Some(answer.copy())).collect();
        let joined = router.join(&routes, &responses, &[8]).unwrap();
        let loss = joined.context().mse_loss(&wanted, tch::Reduction::Mean);
        zero_gradients(&router.parameters());
        loss.backward();
        sgd.step(&router.parameters(), 0.1);
        gates = routes.mean_gates();
    }
    // All began near a quarter.
    assert!(gates[2] > gates[0].max(gates[3]), "{gates:?}");
    assert!(gates[0].min(gates[3]) > 2.0 * gates[1], "{gates:?}");
}

#[test]
fn only_answers_that_counted_have_a_gradient() {
    let routes = routes(&[&[1.0, 0.0, 0.0]]);
    let empty = Some(Tensor::zeros([0, 1], (Kind::Float, CPU)));
    let responses = [Some(Tensor::from_slice2(&[[1.0f32]])), empty, None];
    let joined = router(1, 3).join(&routes, &responses, &[1]).unwrap();
    assert!(joined.gradient(0).is_none(), "before backward()");
    joined.context().sum(Kind::Float).backward();
    assert_eq!(values(&joined.gradient(0).unwrap()), [1.0]);
    assert!((1..4).all(|peer| joined.gradient(peer).is_none()));
}

#[test]
fn an_answers_own_graph_is_cut_off() {
    let routes = routes(&[&[1.0]]);
    let own = Tensor::from_slice2(&[[1.0f32]]).set_requires_grad(true);
    let joined = router(1, 1)
        .join(&routes, &[Some(&own * 3.0)], &[1])
        .unwrap();
    joined.context().sum(Kind::Float).backward();
    assert!(!own.grad().defined());
}

#[test]
fn one_seed_gives_the_same_router_whatever_the_order_of_peers() {
    let (mut one, mut other) = (router(10, 2), router(10, 2));
    let peers = peers(4);
    let reversed: Vec<_> = peers.iter().rev().copied().collect();
    for (router, order) in [(&mut one, &peers), (&mut other, &reversed)] {
        router
            .route(order, &numbers(&[1, 10]), &numbers(&[1, 1]))
            .unwrap();
    }
    let (one, other) = (one.parameters(), other.parameters());
    assert_eq!(one.len(), 2 + 4);
    assert!(one.keys().eq(other.keys()));
    assert!(one.values().zip(other.values()).all(|(a, b)| a.equal(b)));
    let key = &one[&format!("router.keys.{}", peers[0])];
    assert!(values(key).iter().all(|x| (0.0..1.0).contains(x)));

    let config = RouterConfig {
        x_dim: 10,
        key_dim: 100,
        topk: 2,
    };
    let another_seed = Router::new(config, 8, CPU).parameters();
    assert!(!another_seed["router.gate.weight"].equal(&one["router.gate.weight"]));
}

#[test]
fn a_peer_that_leaves_is_forgotten() {
    let mut router = router(10, 2);
    let known = peers(3);
    router
        .route(&known, &numbers(&[1, 10]), &numbers(&[1, 1]))
        .unwrap();
    let gone = router.retain(&[known[2], known[0], PublicKey([9; 32])]);
    assert_eq!(gone, [format!("router.keys.{}", known[1])]);
    assert_eq!(router.parameters().len(), 2 + 2);
}

#[test]
fn keys_return_to_their_hotkeys() {
    let mut trained = router(10, 2);
    let known = peers(3);
    let (context, inputs) = (numbers(&[4, 10]), numbers(&[4, 1]));
    trained.route(&known, &context, &inputs).unwrap();
    for parameter in trained.parameters().values() {
        let _ = tch::no_grad(|| parameter.shallow_clone().g_add_(&(parameter * 0.5)));
    }
    let (_, expected) = trained.route(&known, &context, &inputs).unwrap();

    let mut resumed = Router::new(trained.config, 99, CPU);
    resumed.route(&peers(5), &context, &inputs).unwrap();
    resumed.load(&trained.parameters()).unwrap();
    assert_eq!(resumed.parameters().len(), 2 + 3);
    let reversed: Vec<_> = known.iter().rev().copied().collect();
    let (_, routes) = resumed.route(&reversed, &context, &inputs).unwrap();
    assert!(
        routes
            .gates()
            .flip(1)
            .allclose(expected.gates(), 1e-6, 1e-7, false)
    );
}

#[test]
fn nothing_of_a_router_is_loaded_unless_everything_fits() {
    let mut ours = router(10, 2);
    ours.route(&peers(1), &numbers(&[1, 10]), &numbers(&[1, 1]))
        .unwrap();
    let before: Vec<_> = ours.parameters().values().map(values).collect();
    let mut nameless = router(10, 2).parameters();
    nameless.insert("router.keys.someone".into(), numbers(&[100]));
    assert!(matches!(
        ours.load(&nameless),
        Err(ParametersError::Hotkey { .. })
    ));
    let mut narrow = router(10, 2).parameters();
    narrow.insert(format!("router.keys.{}", peers(1)[0]), numbers(&[99]));
    assert!(matches!(
        ours.load(&narrow),
        Err(ParametersError::Shape { .. })
    ));
    assert!(ours.load(&router(11, 2).parameters()).is_err());
    let after: Vec<_> = ours.parameters().values().map(values).collect();
    assert_eq!(before, after);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_of_gates_sum_to_one_over_at_most_topk_peers(
        batch in 0usize..9,
        n_peers in 1u8..12,
        topk in 1i64..14,
        seed: u64,
        scale in 0.1f32..50.0,
    ) {
        let config = RouterConfig { x_dim: 5, key_dim: 8, topk };
        let mut router = Router::new(config, seed, CPU);
        let context = numbers(&[batch as i64, 5]) * f64::from(scale);
        let inputs = numbers(&[batch as i64, 2, 3]);
        let peers = peers(n_peers);
        let (requests, routes) = router.route(&peers, &context, &inputs).unwrap();

        let gates = values(routes.gates());
        let mut n_sent = vec![0; peers.len()];
        for row in gates.chunks(peers.len()) {
            prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            prop_assert!(row.iter().filter(|&&gate| gate != 0.0).count() as i64 <= topk);
            row.iter().zip(&mut n_sent).for_each(|(&gate, n)| *n += i64::from(gate != 0.0));
        }
        for (peer, request) in requests.iter().enumerate() {
            prop_assert_eq!(request.size(), [n_sent[peer], 2, 3]);
            prop_assert!(routes.rows(peer).is_sorted_by(|a, b| a < b));
        }
        if batch > 0 {
            prop_assert!((routes.mean_gates().iter().sum::<f64>() - 1.0).abs() < 1e-5);
        }

        // Peers that answer with what they were sent give the batch back.
        let responses: Vec<_> = requests.into_iter().map(Some).collect();
        let joined = router.join(&routes, &responses, &[2, 3]).unwrap();
        prop_assert!(joined.context().detach().allclose(&inputs, 1e-5, 1e-6, false));
        prop_assert!(values(joined.lost_gate_mass()).iter().all(|&lost| lost == 0.0));
    }

    #[test]
    fn what_is_joined_and_what_is_lost_add_up(
        batch in 1i64..9,
        failed in proptest::collection::vec(any::<bool>(), 1..10),
        seed: u64,
    ) {
        let config = RouterConfig { x_dim: 5, key_dim: 8, topk: 4 };
        let mut router = Router::new(config, seed, CPU);
        let ones = Tensor::ones([batch, 1], (Kind::Float, CPU));
        let peers = peers(u8::try_from(failed.len()).unwrap());
        let (requests, routes) = router.route(&peers, &numbers(&[batch, 5]), &ones).unwrap();
        let responses: Vec<_> = requests
            .into_iter()
            .zip(failed)
            .map(|(request, failed)| (!failed).then_some(request))
            .collect();
        let joined = router.join(&routes, &responses, &[1]).unwrap();
        let total = joined.context().detach().reshape(-1) + joined.lost_gate_mass();
        prop_assert!(total.allclose(&ones.reshape(-1), 1e-5, 1e-6, false));
    }
    #[test]
    fn a_way_around_is_as_if_those_who_failed_had_not_been_there(
        batch in 1i64..9,
        failed in proptest::collection::vec(any::<bool>(), 1..10),
        topk in 1i64..8,
        seed: u64,
    ) {
        let config = RouterConfig { x_dim: 5, key_dim: 8, topk };
        let mut router = Router::new(config, seed, CPU);
        let (context, inputs) = (numbers(&[batch, 5]) * 9.0, numbers(&[batch, 3]));
        let everybody = peers(u8::try_from(failed.len()).unwrap());
        let (requests, routes) = router.route(&everybody, &context, &inputs).unwrap();
        let left: Vec<_> = (0..failed.len()).filter(|&peer| !failed[peer]).collect();
        let hotkeys: Vec<_> = left.iter().map(|&peer| everybody[peer]).collect();
        let (_, without) = router.route(&hotkeys, &context, &inputs).unwrap();

        let n_missing = left.iter().enumerate().map(|(position, &peer)| {
            let rows = without.rows(position).iter();
            rows.filter(|row| !routes.rows(peer).contains(row)).count()
        });
        let n_missing: usize = n_missing.sum();
        let around = router.reroute(&routes, &failed, &inputs).unwrap();
        prop_assert_eq!(around.is_some(), n_missing > 0);
        let Some((again, around)) = around else { return Ok(()) };

        let n_sent: i64 = again.iter().map(|request| request.size()[0]).sum();
        prop_assert_eq!(n_sent, n_missing as i64);
        let n_peers = failed.len() as i64;
        let gates = around.gates().narrow(1, 0, n_peers) + around.gates().narrow(1, n_peers, n_peers);
        let columns: Vec<i64> = left.iter().map(|&peer| peer as i64).collect();
        let of_left = gates.index_select(1, &Tensor::from_slice(&columns));
        prop_assert!(of_left.allclose(without.gates(), 1e-5, 1e-6, false));
        prop_assert!(around.gates().requires_grad());

        // Those who are left answer with what they were sent.
        let first = requests.into_iter().zip(&failed).map(|(request, failed)| (!failed).then_some(request));
        let responses: Vec<_> = first.chain(again.into_iter().map(Some)).collect();
        let joined = router.join(&around, &responses, &[3]).unwrap();
        prop_assert!(joined.context().detach().allclose(&inputs, 1e-5, 1e-6, false));
        prop_assert!(values(joined.lost_gate_mass()).iter().all(|&lost| lost == 0.0));
    }
}
