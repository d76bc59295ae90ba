//! Observations for tests. All but [`recorded`] are constructed: their curves are formulas.

use super::{
    Calls, Epoch, Evaluation, Neuron, Observation, Phase, Plan, Role, RowSet, Scores, Step,
    Training,
};
use crate::task::Task;
use std::collections::BTreeMap;

const N: u16 = 5;
const GARBAGE: u16 = 4;

/// One of each kind.
pub(crate) fn all() -> Vec<Observation> {
    vec![
        nothing(),
        beginning(),
        training(),
        failed(),
        finished(),
        recorded(),
    ]
}

/// What a run of eight epochs measured, with every fourth of its steps.
pub(crate) fn recorded() -> Observation {
    serde_json::from_str(include_str!("recorded.json")).expect("it is what --json printed")
}

/// The demo has just begun.
pub(crate) fn nothing() -> Observation {
    Observation::new(Plan {
        task: Task::Digits,
        seed: 7,
        epochs: 12,
        tempo: 10,
        block_time: 1.0,
        began: "2026-01-01 12:00 UTC".into(),
        facts: vec![("a program".into(), "0.1.0".into())],
    })
}

/// Neurons are there, but nothing is known of them.
pub(crate) fn beginning() -> Observation {
    let mut observation = nothing();
    observation.phase = Phase::Registering;
    observation.neurons = (0..N).map(|uid| neuron(uid, Training::default())).collect();
    observation.note("the chain makes blocks");
    observation
}

/// In the middle of the training; no epoch has counted any weights.
pub(crate) fn training() -> Observation {
    let mut observation = beginning();
    observation.phase = Phase::Training;
    observation.elapsed = 40.0;
    observation.chain.block = 24;
    observation.chain.next_epoch = 30;
    observation.chain.epochs = vec![epoch(1, 0.0)];
    observation.chain.epochs[0].weights.clear();
    for neuron in &mut observation.neurons {
        neuron.training = learned(60, 0.02, f64::from(neuron.uid));
    }
    observation
}

/// As [`training`], but one of the neurons was killed.
pub(crate) fn failed() -> Observation {
    let mut observation = training();
    let text = "uid 2 ended with signal: 9 (SIGKILL), although nobody told it to";
    observation.fail(Some(2), text, "step 60\nstep <61>".into());
    observation
}

/// Everything was measured.
pub(crate) fn finished() -> Observation {
    let mut observation = training();
    observation.phase = Phase::Done;
    observation.elapsed = 190.0;
    observation.chain.block = 130;
    observation.chain.next_epoch = 140;
    observation
        .chain
        .epochs
        .extend((2..=12).map(|number| epoch(number, 1.0)));
    let last = observation.chain.epochs.last().expect("there are epochs");
    observation.chain.stakes = last
        .scores
        .iter()
        .map(|(uid, scores)| (*uid, scores.stake))
        .collect();
    for neuron in &mut observation.neurons {
        neuron.training = learned(600, 0.02, f64::from(neuron.uid));
        neuron.calls = calls(neuron.uid);
        neuron.rows = vec![RowSet {
            step: 300,
            block: Some(70),
            result: "included".into(),
        }];
        neuron.ended = Some("interrupted".into());
    }
    observation.alone = (0..N)
        .map(|uid| {
            let mut twin = learned(600, 0.012, f64::from(uid));
            for step in &mut twin.steps {
                step.network_loss = None;
                step.distillation_loss = None;
            }
            for evaluation in &mut twin.evaluations {
                evaluation.network_accuracy = None;
                evaluation.network_loss = None;
            }
            twin
        })
        .collect();
    observation
}

fn neuron(uid: u16, training: Training) -> Neuron {
    Neuron {
        uid,
        role: match uid {
            0 => Role::Validator,
            GARBAGE => Role::Garbage,
            _ => Role::Neuron,
        },
        hotkey: format!("5{uid}rwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
        shard: [uid.into(), N.into()],
        training,
        calls: BTreeMap::new(),
        rows: Vec::new(),
        ended: None,
    }
}

/// A model whose error falls exponentially at `rate` a step, down to 3%.
fn learned(n_steps: u32, rate: f64, phase: f64) -> Training {
    let error = |step: u32| 0.03 + 0.87 * (-rate * f64::from(step)).exp();
    let wave = |step: u32| 1.0 + 0.15 * (f64::from(step) + phase).sin();
    let time = |step: u32| 10.0 + 0.25 * f64::from(step);
    Training {
        n_parameters: 4_660_000,
        device: "cpu".into(),
        steps: (1..=n_steps)
            .map(|step| Step {
                step: step.into(),
                time: time(step),
                loss: Some(5.0 * error(step) * wave(step)),
                local_loss: Some(2.6 * error(step) * wave(step)),
                network_loss: Some(2.2 * error(step) * wave(step + 1)),
                distillation_loss: Some(0.2 * error(step) * wave(step + 2)),
                step_ms: 180.0,
                remote_ms: 90.0,
            })
            .collect(),
        evaluations: (0..=n_steps)
            .step_by(20)
            .map(|step| Evaluation {
                step: step.into(),
                time: time(step),
                local_loss: Some(2.5 * error(step)),
                local_accuracy: Some(1.0 - error(step)),
                network_loss: Some(2.2 * error(step)),
                network_accuracy: Some(1.0 - 0.8 * error(step)),
            })
            .collect(),
    }
}

/// From epoch 3 on the garbage neuron loses two fifths of its incentive each time, to the gain of the others.
fn epoch(number: u32, rated: f64) -> Epoch {
    let n = f64::from(N);
    let garbage = 0.6_f64
        .powi(i32::try_from(number).expect("few epochs") - 2)
        .min(1.0)
        / n;
    let honest = (1.0 - garbage) / (n - 1.0);
    let of = |uid: u16| if uid == GARBAGE { garbage } else { honest };
    let scores = |uid: u16| Scores {
        stake: if uid == 0 { 3_000.0 } else { 2_000.0 },
        permit: true,
        incentive: rated * of(uid),
        dividends: rated * if uid == 0 { 3.0 / 11.0 } else { 2.0 / 11.0 },
        trust: 1.0,
        emission: 10.0 * of(uid),
    };
    let row = |rater: u16| {
        let sum: f64 = (0..N).filter(|uid| *uid != rater).map(of).sum();
        let others = (0..N).filter(|uid| *uid != rater);
        others.map(|uid| (uid, of(uid) / sum)).collect()
    };
    Epoch {
        block: 10 * number,
        time: f64::from(10 * number),
        scores: (0..N).map(|uid| (uid, scores(uid))).collect(),
        weights: (0..N).map(|rater| (rater, row(rater))).collect(),
    }
}

fn calls(caller: u16) -> BTreeMap<u16, BTreeMap<String, Calls>> {
    let outcomes = |peer: u16| {
        let n = if peer == GARBAGE { 210 } else { 600 };
        let answered = Calls {
            n: n - 3,
            rows: 8 * (n - 3),
            ms: 40.0 * 600.0,
        };
        let late = Calls {
            n: 3,
            rows: 24,
            ms: 1_500.0,
        };
        BTreeMap::from([("Success".into(), answered), ("Timeout".into(), late)])
    };
    (0..N)
        .filter(|peer| *peer != caller)
        .map(|peer| (peer, outcomes(peer)))
        .collect()
}
