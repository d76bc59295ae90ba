//! Trainers in networks of one to three neurons, on loopback, over mutual TLS, without a chain.

mod network;

use std::{num::NonZeroU32, path::Path};

use neuron_learn::{
    dataset::{Batches, LastBatch, Position, digits},
    events::{FILE_NAME, Record, RunLog, read},
    source::Batch,
    text::TextError,
};
use neuron_proto::{Classes, Output, Wanted};
use neuron_wallet::PublicKey;
use tch::{Tensor, no_grad};

use self::network::{Network, narrow};
use super::{descent::Outcome, *};
use crate::{blueprint::Blueprint, nucleus_model::Answers, progress::Progress};

/// What happened, without when.
fn events(folder: &Path) -> Vec<Event> {
    let records = read(&folder.join(FILE_NAME)).unwrap();
    records
        .into_iter()
        .map(|Record { event, .. }| event)
        .collect()
}

fn steps(folder: &Path) -> Vec<events::Step> {
    let of_step = |event| match event {
        Event::Step(step) => Some(step),
        _ => None,
    };
    events(folder).into_iter().filter_map(of_step).collect()
}

fn evaluations(folder: &Path) -> Vec<events::Evaluation> {
    let of_evaluation = |event| match event {
        Event::Evaluation(evaluation) => Some(evaluation),
        _ => None,
    };
    events(folder)
        .into_iter()
        .filter_map(of_evaluation)
        .collect()
}

fn config(steps: u64) -> TrainerConfig {
    TrainerConfig {
        seed: 5,
        accumulate: 1,
        evaluated: None,
        peak_flops: None,
        steps: Some(steps),
        epochs: None,
        epoch_steps: 10,
        descent: DescentConfig {
            sgd: Default::default(),
            schedule: neuron_learn::optim::Schedule::Constant { rate: 0.05 },
            // The rate at which routes are learned by default: 10 · 0.01.
            router_rate: 2.0,
            max_norm: Some(1.0),
        },
        key_dim: 16,
        topk: 10,
        imitation: 0.5,
        precision: Precision::Full,
        sends_gradients: false,
    }
}

fn parts(folder: &Path) -> Parts {
    let digits = digits().unwrap();
    let held_out = digits.test.select(&(0..64).collect::<Vec<_>>());
    Parts {
        folder: folder.to_owned(),
        recipe: Recipe {
            model: Blueprint::Mnist,
            tokenizer: None,
            dataset: digits.name.into(),
            shard: [0, 1],
            batch_size: 32,
            accumulate: 1,
            sequence: None,
            augment: None,
            settings: Default::default(),
        },
        start: events::Start {
            hotkey: PublicKey([0; 32]),
            uid: 0,
            netid: 0,
            seed: 5,
            synapse: "narrow".into(),
            dataset: digits.name.into(),
            shard: [0, 1],
            device: "cpu".into(),
            n_parameters: 0,
            garbage: false,
        },
        synapse: narrow(5),
        batches: Box::new(Batches::new(digits.train, 32, LastBatch::Keep, 5).unwrap()),
        held_out: Box::new(Batches::new(held_out, 32, LastBatch::Keep, 5).unwrap()),
        peers: None,
        serving: None,
        setter: None,
        report: Report::new(
            RunLog::open(folder).unwrap(),
            Progress::new(false),
            TrainingMetrics::new(),
        ),
        stop: CancellationToken::new(),
    }
}

fn bits(trainer: &Trainer) -> Vec<Vec<u32>> {
    let bits = |tensor: &Tensor| {
        let values = Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
        values.into_iter().map(f32::to_bits).collect()
    };
    trainer.parameters().values().map(bits).collect()
}

#[test]
fn a_neuron_alone_learns() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        Trainer::new(config(60), parts(folder.path()))
            .run()
            .unwrap(),
        End::Done
    );

    let steps = steps(folder.path());
    assert_eq!(steps.len(), 60);
    assert!(
        steps
            .iter()
            .all(|step| step.network_loss.is_none() && step.n_peers == 0)
    );
    let evaluations = evaluations(folder.path());
    assert_eq!(
        evaluations.iter().map(|e| e.step).collect::<Vec<_>>(),
        [10, 20, 30, 40, 50, 60]
    );
    let (first, last) = (&evaluations[0], &evaluations[5]);
    assert!(last.local_loss < first.local_loss, "{first:?} {last:?}");
    assert!(last.local_accuracy > 0.5, "{last:?}");
    let all = events(folder.path());
    assert!(matches!(&all[0], Event::Start(_)));
    assert!(
        matches!(&all[all.len() - 1], Event::End(end) if end.step == 60 && end.reason == "done")
    );
}

#[test]
fn a_step_draws_as_many_batches_as_are_accumulated() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainerConfig {
        accumulate: 3,
        peak_flops: Some(1e9),
        ..config(4)
    };
    let mut trainer = Trainer::new(config, parts(folder.path()));
    for _ in 0..4 {
        trainer.step().unwrap();
    }
    assert_eq!(trainer.batches.position().batch, 12);
    let steps = steps(folder.path());
    assert_eq!(steps.len(), 4);
    for step in steps {
        assert_eq!((step.n_rows, step.n_tokens), (3 * 32, 0));
        assert!(step.utilisation.is_some_and(|share| share > 0.0));
    }
}

#[test]
fn an_evaluation_has_as_many_batches_as_are_asked_for() {
    let evaluated = |evaluated| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainerConfig {
            evaluated,
            ..config(1)
        };
        let mut trainer = Trainer::new(config, parts(folder.path()));
        trainer.evaluate().unwrap().local_loss
    };
    let (first, both) = (evaluated(Some(1)), evaluated(None));
    assert!(first != both);
    assert_eq!(evaluated(Some(2)), both);
}

#[test]
fn resuming_is_training_without_interruption() {
    let (straight, resumed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Trainer::new(config(20), parts(straight.path()))
        .run()
        .unwrap();
    Trainer::new(config(10), parts(resumed.path()))
        .run()
        .unwrap();
    let mut trainer = Trainer::new(config(20), parts(resumed.path()));
    trainer.resume_latest().unwrap();
    assert_eq!(trainer.step, 10);
    trainer.run().unwrap();

    let last = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(LAST)).unwrap();
    assert!(last(&straight) == last(&resumed), "checkpoints differ");
    let losses = |folder: &tempfile::TempDir| {
        steps(folder.path())
            .into_iter()
            .map(|step| step.loss)
            .collect::<Vec<_>>()
    };
    assert_eq!(losses(&straight), losses(&resumed));
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Trainer::new(config(1), parts(folder.path())).run().unwrap();
    let other = TrainerConfig {
        seed: 6,
        ..config(2)
    };
    let error = Trainer::new(other, parts(folder.path()))
        .resume_latest()
        .unwrap_err();
    assert!(matches!(error, TrainError::OtherRun { .. }), "{error}");
    let said = "--seed 6 is asked for, and the run has 5. Leave that out";
    assert!(error.to_string().contains(said), "{error}");
}

#[test]
fn stopping_saves_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts(folder.path());
    parts.stop.cancel();
    assert_eq!(Trainer::new(config(60), parts).run().unwrap(), End::Stopped);
    assert!(folder.path().join(LAST).exists());
    let all = events(folder.path());
    assert!(matches!(&all[all.len() - 1], Event::End(end) if end.reason == "stopped"));
}

#[test]
fn an_evaluation_that_is_not_the_best_is_gone_on_from_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(config(60), parts(folder.path()));
    trainer.best_loss = Some(0.0);
    for _ in 0..10 {
        trainer.step().unwrap();
    }
    trainer.conclude_epoch().unwrap();
    let before = bits(&trainer);
    // A power cut, of which nobody is told.
    drop(trainer);
    assert!(!folder.path().join(BEST).exists());
    let mut resumed = Trainer::new(config(60), parts(folder.path()));
    resumed.resume_latest().unwrap();
    assert_eq!((resumed.step, resumed.best_loss), (10, Some(0.0)));
    assert_eq!(bits(&resumed), before);
}

/// Text to be measured by that has been taken away.
struct Gone;

impl Source for Gone {
    fn per_epoch(&self) -> usize {
        1
    }
    fn position(&self) -> Position {
        Position::default()
    }
    fn go_to(&mut self, _: Position) {}
    fn draw(&mut self) -> Result<(Position, Batch), SourceError> {
        Err(gone())
    }
    fn in_order(&self) -> Box<dyn Iterator<Item = Result<Batch, SourceError>> + '_> {
        Box::new(std::iter::once(Err(gone())))
    }
}

fn gone() -> SourceError {
    TextError::Changed {
        path: "prose.txt".into(),
    }
    .into()
}

#[test]
fn where_text_is_gone_what_was_learned_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts {
        held_out: Box::new(Gone),
        ..parts(folder.path())
    };
    let error = Trainer::new(config(60), parts).run().unwrap_err();
    assert!(matches!(error, TrainError::Source(_)), "{error}");
    let (_, kept) = latest(folder.path()).unwrap().expect("a checkpoint");
    assert_eq!(kept.progress.step, 10);
}

#[test]
fn a_model_that_diverges_goes_back_to_its_best() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(config(60), parts(folder.path()));
    trainer.save(BEST).unwrap();
    let best = bits(&trainer);
    trainer.step().unwrap();
    trainer.save(LAST).unwrap();
    trainer.go_back().unwrap();
    assert_eq!(bits(&trainer), best);
}

#[test]
fn a_model_that_diverges_goes_back_to_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(config(60), parts(folder.path()));
    trainer.save(BEST).unwrap();
    let before = bits(&trainer);
    no_grad(|| {
        let _ = trainer.parameters()["main.layer1.bias"]
            .shallow_clone()
            .fill_(f64::NAN);
    });
    trainer.step().unwrap();
    assert_eq!(bits(&trainer), before);
    trainer.step().unwrap();
    assert_ne!(bits(&trainer), before, "and learns on");
}

#[test]
fn a_model_that_diverges_at_once_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(config(60), parts(folder.path()));
    no_grad(|| {
        let _ = trainer.parameters()["main.layer1.bias"]
            .shallow_clone()
            .fill_(f64::NAN);
    });
    let error = trainer.step().unwrap_err();
    assert!(error.to_string().contains("--learning-rate"), "{error}");
}

#[test]
fn in_a_network_a_model_that_diverges_goes_back_too() {
    let spoil = |trainer: &Trainer| {
        no_grad(|| {
            let _ = trainer.parameters()["main.layer1.bias"]
                .shallow_clone()
                .fill_(f64::NAN);
        });
    };
    // Whether it asks itself or another.
    for answers in [&[Answers::Honest][..], &[Answers::Honest; 2]] {
        let folder = tempfile::tempdir().unwrap();
        let network = Network::of(answers);
        let mut trainer = network.trainer(config(60), parts(folder.path()));
        trainer.step().unwrap();
        trainer.save(BEST).unwrap();
        let before = bits(&trainer);

        spoil(&trainer);
        trainer.step().unwrap();
        assert_eq!(bits(&trainer), before, "in a step");
        assert_eq!(trainer.step, 2);
        assert!(steps(folder.path())[1].loss.is_nan());

        spoil(&trainer);
        trainer.conclude_epoch().unwrap();
        assert_eq!(bits(&trainer), before, "in an evaluation");

        trainer.step().unwrap();
        assert_ne!(bits(&trainer), before, "and learns on");
    }
}

#[test]
fn where_nobody_answers_nothing_is_imitated() {
    let network = Network::of(&[Answers::Honest, Answers::Honest]);
    network.kill(1);
    for wanted in [Output::Target.into(), Output::Encoding.into(), likeliest(3)] {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = network.trainer_asking(wanted, config(1), parts(folder.path()));
        let student = trainer.parameters()["student.layer1.weight"].copy();
        trainer.step().unwrap();

        let [step] = &steps(folder.path())[..] else {
            panic!("one step");
        };
        assert_eq!((step.n_peers, step.n_ok), (1, 0));
        assert_eq!((step.network_loss, step.distillation_loss), (None, None));
        assert!((step.lost_gate_mass - 1.0).abs() < 1e-6, "{step:?}");
        // The student learns from encodings of the network only, and there were none.
        assert!(student.equal(&trainer.parameters()["student.layer1.weight"]));
    }
}

/// So many of the ten digits.
fn likeliest(n: u32) -> Wanted {
    Wanted::Target(Classes::Likeliest(NonZeroU32::new(n).unwrap()))
}

#[test]
fn of_the_likeliest_classes_model_and_router_learn() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest, Answers::Honest, Answers::Honest]);
    let mut trainer = network.trainer_asking(likeliest(3), config(30), parts(folder.path()));
    let gate = trainer.parameters()["router.gate.weight"].copy();
    trainer.train().unwrap();

    let steps = steps(folder.path());
    assert!(
        steps.iter().all(|step| (step.n_peers, step.n_ok) == (2, 2)),
        "{steps:?}"
    );
    assert!(steps[29].loss < steps[0].loss);
    assert!(!gate.equal(&trainer.parameters()["router.gate.weight"]));
    let evaluations = evaluations(folder.path());
    assert!(evaluations[2].network_loss.unwrap() < evaluations[0].network_loss.unwrap());
}

#[test]
fn all_classes_told_by_number_teach_what_all_teach() {
    let network = Network::of(&[Answers::Honest, Answers::Honest, Answers::Honest]);
    let learned = |wanted: Wanted| {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = network.trainer_asking(wanted, config(3), parts(folder.path()));
        trainer.need = Need::WHOLE;
        (0..3).for_each(|_| trainer.step().unwrap());
        let parameters = trainer.parameters();
        parameters.values().map(Tensor::copy).collect::<Vec<_>>()
    };
    let by_number = learned(likeliest(10));
    for (one, other) in learned(Output::Target.into()).iter().zip(&by_number) {
        assert!(one.allclose(other, 1e-4, 1e-5, false));
    }
}

#[test]
fn of_encodings_student_and_router_learn() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest, Answers::Honest, Answers::Honest]);
    let mut trainer = network.trainer_asking(Output::Encoding, config(30), parts(folder.path()));
    let learned = ["student.layer1.weight", "router.gate.weight"];
    let before = learned.map(|name| trainer.parameters()[name].copy());
    trainer.train().unwrap();

    let steps = steps(folder.path());
    assert!(
        steps.iter().all(|step| (step.n_peers, step.n_ok) == (2, 2)),
        "{steps:?}"
    );
    for (name, before) in learned.iter().zip(&before) {
        assert!(!before.equal(&trainer.parameters()[*name]), "{name}");
    }
    let distillation: Vec<f64> = steps
        .iter()
        .map(|step| step.distillation_loss.unwrap())
        .collect();
    assert!(distillation[29] < distillation[0], "{distillation:?}");
    assert!(steps[29].loss < steps[0].loss);
}

#[test]
fn what_a_step_takes_is_counted_as_it_is_computed() {
    let network = Network::of(&[Answers::Honest, Answers::Honest]);
    let peak = 1e9;
    let counted = |output| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainerConfig {
            peak_flops: Some(peak),
            ..config(1)
        };
        let mut trainer = network.trainer_asking(output, config, parts(folder.path()));
        trainer.step().unwrap();
        let step = &steps(folder.path())[0];
        step.utilisation.unwrap() * peak * step.step_ms / 1_000.0
    };
    // Of each of 32 rows, student: 2 · (784·32 + 32·32) = 52,224; a branch: 2 · (816·32 + 32·32 + 2·32·32 + 32·10) = 59,008
    for (output, expected) in [
        (Output::Target, 32.0 * (52_224.0 + 3.0 * 59_008.0)),
        (Output::Encoding, 32.0 * 3.0 * (52_224.0 + 2.0 * 59_008.0)),
    ] {
        let counted = counted(output);
        assert!((counted / expected - 1.0).abs() < 1e-9, "{counted}");
    }
}

#[test]
fn resuming_serves_what_was_served_so_that_a_neuron_that_asks_itself_repeats_itself() {
    /// Fifteen steps, with an evaluation, hence a new model that is served, after ten of them.
    fn half(network: &Network, folder: &Path) -> Trainer {
        let mut trainer = network.trainer(config(20), parts(folder));
        for step in 1..=15 {
            trainer.step().unwrap();
            if step == 10 {
                trainer.conclude_epoch().unwrap();
            }
        }
        trainer
    }
    fn rest(mut trainer: Trainer) -> Vec<Vec<u32>> {
        (0..5).for_each(|_| trainer.step().unwrap());
        bits(&trainer)
    }
    let of_itself = || Network::of(&[Answers::Honest]);
    let (straight, interrupted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = of_itself();
    let straight = rest(half(&network, straight.path()));

    half(&of_itself(), interrupted.path()).save(LAST).unwrap();
    let network = of_itself();
    let mut resumed = network.trainer(config(20), parts(interrupted.path()));
    resumed.resume_latest().unwrap();
    assert_eq!(resumed.step, 15);
    assert_eq!(rest(resumed), straight);
}

#[test]
fn what_an_earlier_run_learned_is_put_aside_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(set_aside(folder).unwrap(), None);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(BEST, "first best");
    write(LAST, "first last");
    let first = folder.join("earlier-1");
    assert_eq!(set_aside(folder).unwrap(), Some(first.clone()));
    assert_eq!(set_aside(folder).unwrap(), None);
    write(LAST, "second last");
    let second = folder.join("earlier-2");
    assert_eq!(set_aside(folder).unwrap(), Some(second.clone()));
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(first.join(BEST)), "first best");
    assert_eq!(read(first.join(LAST)), "first last");
    assert_eq!(read(second.join(LAST)), "second last");
}

#[test]
fn without_peers_a_neuron_asks_itself() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest]);
    network
        .trainer(config(5), parts(folder.path()))
        .run()
        .unwrap();
    let steps = steps(folder.path());
    assert!(
        steps
            .iter()
            .all(|step| step.network_loss.is_some() && step.n_peers == 0)
    );
    let of_itself =
        |event: &Event| matches!(event, Event::Calls(calls) if calls.outcomes[0].code == "Success");
    assert_eq!(
        events(folder.path())
            .iter()
            .filter(|event| of_itself(event))
            .count(),
        5
    );
}

#[test]
fn neurons_learn_from_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest, Answers::Honest]);
    let mut trainer = network.trainer(config(30), parts(folder.path()));
    let gate = trainer.parameters()["router.gate.weight"].copy();
    trainer.train().unwrap();

    let steps = steps(folder.path());
    assert!(
        steps.iter().all(|step| (step.n_peers, step.n_ok) == (1, 1)),
        "{steps:?}"
    );
    assert!(steps[29].loss < steps[0].loss);
    let evaluations = evaluations(folder.path());
    assert!(evaluations[2].network_loss.unwrap() < evaluations[0].network_loss.unwrap());
    let opinion = trainer.opinions.by_hotkey()[&network.peer(1).hotkey];
    // One peer has the whole gate: 1 − 0.99³⁰
    assert!(
        (opinion - (1.0 - 0.99f64.powi(30))).abs() < 1e-6,
        "{opinion}"
    );
    // With one peer, its gate is one whatever the router thinks of it.
    assert!(gate.equal(&trainer.parameters()["router.gate.weight"]));
}

#[test]
fn peers_move_the_model_by_what_is_imitated_and_by_nothing_else() {
    // Given a model that is trained alone, with gradients that the router's cannot shorten,
    let network = Network::of(&[Answers::Honest, Answers::Honest, Answers::Honest]);
    let with = |imitation| {
        let mut config = config(3);
        config.descent.max_norm = None;
        TrainerConfig {
            imitation,
            ..config
        }
    };
    let model = |mut trainer: Trainer| {
        trainer.need = Need::WHOLE;
        (0..3).for_each(|_| trainer.step().unwrap());
        let parameters = trainer.synapse.parameters();
        parameters.values().map(Tensor::copy).collect::<Vec<_>>()
    };
    let folder = tempfile::tempdir().unwrap();
    let alone = model(Trainer::new(with(0.0), parts(folder.path())));
    let is_as_alone = |imitation| {
        let trainer = network.trainer(with(imitation), parts(folder.path()));
        let among = model(trainer);
        alone
            .iter()
            .zip(&among)
            .all(|(one, other)| one.equal(other))
    };
    // when it is trained among peers, then what it imitates moves it, and neither the mixture's loss nor the router does.
    assert!(is_as_alone(0.0));
    assert!(!is_as_alone(0.5));
}

#[test]
fn peers_are_needed_once_a_shard_is_learned_by_heart_and_still_are_when_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // Given one batch that is learned from again and again,
    let few = || {
        let few = digits().unwrap().train.select(&(0..32).collect::<Vec<_>>());
        Parts {
            batches: Box::new(Batches::new(few, 32, LastBatch::Keep, 5).unwrap()),
            ..parts(folder.path())
        }
    };
    // when it is known, and training ends between two evaluations,
    let mut trainer = Trainer::new(config(205), few());
    assert_eq!(trainer.need.share(1.0), 0.0);
    trainer.train().unwrap();
    assert_eq!(trainer.need.share(1.0), 1.0);
    // then a run that goes on needs as much, and remembers the steps since.
    let mut resumed = Trainer::new(config(210), few());
    resumed.resume_latest().unwrap();
    assert_eq!(resumed.need, trainer.need);
    let mut measured = trainer.need;
    measured.measured(1.0);
    assert_ne!(measured, trainer.need, "there are steps since");
}

#[test]
fn each_peer_is_tried_in_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[
        Answers::Honest,
        Answers::Honest,
        Answers::Honest,
        Answers::Honest,
    ]);
    let narrow = TrainerConfig {
        topk: 1,
        ..config(33)
    };
    let mut trainer = network.trainer(narrow, parts(folder.path()));
    (0..33).for_each(|_| trainer.step().unwrap());
    let asked = |at: u64| {
        let events = events(folder.path()).into_iter();
        let mut calls = events.filter_map(|event| match event {
            Event::Calls(calls) if calls.step == at => Some(calls.outcomes),
            _ => None,
        });
        let calls = calls.next().unwrap();
        calls
            .iter()
            .map(|call| (call.uid, call.rows))
            .collect::<Vec<_>>()
    };
    for (step, uid) in [(1, 1), (17, 2), (33, 3)] {
        assert_eq!(asked(step), [(uid, 32)], "step {step}");
    }
}

#[test]
fn who_answers_garbage_is_thought_less_of() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[
        Answers::Honest,
        Answers::Honest,
        Answers::Garbage { seed: 1 },
    ]);
    let mut trainer = network.trainer(config(300), parts(folder.path()));
    trainer.train().unwrap();
    let opinion = |position| trainer.opinions.by_hotkey()[&network.peer(position).hotkey];
    assert!(opinion(1) > opinion(2), "{} {}", opinion(1), opinion(2));
}

#[test]
fn a_dead_peer_costs_its_answers_only() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest, Answers::Honest, Answers::Honest]);
    network.kill(2);
    let mut trainer = network.trainer(config(5), parts(folder.path()));
    trainer.train().unwrap();
    let steps = steps(folder.path());
    assert!(
        steps.iter().all(|step| (step.n_peers, step.n_ok) == (2, 1)),
        "{steps:?}"
    );
    assert!(
        steps
            .iter()
            .all(|step| 0.0 < step.lost_gate_mass && step.lost_gate_mass < 1.0)
    );
    assert_eq!(trainer.opinions.by_hotkey()[&network.peer(2).hotkey], 0.0);
}

#[test]
fn rows_of_a_dead_peer_go_to_the_next_best() {
    let network = Network::of(&[Answers::Honest, Answers::Honest, Answers::Honest]);
    network.kill(1);
    let one_peer = || TrainerConfig {
        topk: 1,
        ..config(17)
    };
    for wanted in [Output::Target.into(), Output::Encoding.into(), likeliest(3)] {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = network.trainer_asking(wanted, one_peer(), parts(folder.path()));
        (0..17).for_each(|_| trainer.step().unwrap());

        // In the first step the dead one is tried, about all rows.
        let calls = events(folder.path())
            .into_iter()
            .find_map(|event| match event {
                Event::Calls(calls) if calls.step == 1 => Some(calls.outcomes),
                _ => None,
            });
        let calls: Vec<_> = calls.iter().flatten().collect();
        let uids_and_rows: Vec<_> = calls.iter().map(|call| (call.uid, call.rows)).collect();
        assert_eq!(uids_and_rows, [(1, 32), (2, 32)]);
        assert_eq!(
            (&*calls[0].code, &*calls[1].code),
            ("Unavailable", "Success")
        );
        let steps = steps(folder.path());
        assert_eq!((steps[0].n_peers, steps[0].n_ok), (2, 1));
        assert!(
            steps
                .iter()
                .all(|step| step.lost_gate_mass == 0.0 && step.network_loss.is_some()),
            "{steps:?}"
        );
        // Who answered has all the gates; the other has none.
        let opinion = |position| trainer.opinions.by_hotkey()[&network.peer(position).hotkey];
        assert!((opinion(2) - (1.0 - 0.99f64.powi(17))).abs() < 1e-6);
        assert_eq!(opinion(1), 0.0);
    }
}

#[test]
fn peers_are_sent_the_gradients_of_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest, Answers::Honest]);
    let config = TrainerConfig {
        sends_gradients: true,
        ..config(1)
    };
    network.trainer(config, parts(folder.path())).run().unwrap();
    let gradient = network.gradient_at(1);
    assert_eq!(gradient.from, Some(network.peer(0).hotkey));
    assert_eq!(
        (gradient.inputs.shape(), gradient.gradients.shape()),
        (&[32, 1, 28, 28][..], &[32, 32][..])
    );
}

#[test]
fn gradients_that_peers_are_sent_are_those_of_the_loss_as_it_is() {
    let network = Network::of(&[Answers::Honest, Answers::Honest]);
    let sent = |scaler| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainerConfig {
            sends_gradients: true,
            ..config(1)
        };
        let mut trainer = network.trainer(config, parts(folder.path()));
        trainer.descent.scaler = scaler;
        trainer.step().unwrap();
        network.gradient_at(1).gradients.to_f32().unwrap()
    };
    // A power of two: not a bit is lost by it.
    let [plain, scaled] = [None, Some(GradScaler::default())].map(sent);
    assert!(plain.iter().any(|number| *number != 0.0));
    assert_eq!(plain, scaled);
}

#[test]
fn looking_for_a_scale_of_the_loss_is_not_diverging() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(config(60), parts(folder.path()));
    for _ in 0..16 {
        trainer.count(Outcome::Rescaled).unwrap();
    }
    for _ in 0..9 {
        trainer.count(Outcome::NotFinite).unwrap();
    }
    let error = trainer.count(Outcome::NotFinite).unwrap_err();
    assert!(matches!(error, TrainError::Diverged), "{error}");
}

#[test]
fn gradients_of_peers_move_the_model_where_they_are_wanted() {
    let network = Network::of(&[Answers::Honest, Answers::Honest]);
    let folder = tempfile::tempdir().unwrap();
    let sends = TrainerConfig {
        sends_gradients: true,
        ..config(1)
    };
    network.trainer(sends, parts(folder.path())).run().unwrap();

    let mut alone = Trainer::new(config(1), parts(folder.path()));
    alone.step().unwrap();
    let mut with_gradients = Trainer::new(config(1), parts(folder.path()));
    with_gradients.serving = Some(network.serving_of(1));
    with_gradients.step().unwrap();
    assert_ne!(bits(&with_gradients), bits(&alone));
}

#[test]
fn what_a_neuron_thinks_becomes_a_row_once_per_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest, Answers::Honest]);
    let (setter, mut orders) = weight_setter();
    let mut trainer = network.trainer(config(4), parts(folder.path()));
    trainer.setter = Some(setter);
    trainer.train().unwrap();
    let order = orders.next().unwrap();
    assert_eq!((order.uid, order.step), (0, 1));
    assert_eq!(order.row.shares().collect::<Vec<_>>(), [(1, 1.0)]);
    assert!(orders.next().is_none());
}

#[test]
fn who_withdraws_is_not_kept_a_connection_to() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest, Answers::Honest, Answers::Honest]);
    let mut trainer = network.trainer(config(60), parts(folder.path()));
    trainer.step().unwrap();
    let connected = |trainer: &Trainer| {
        let peers = trainer.peers.as_ref().unwrap().dendrite.stats();
        let connected = peers.iter().filter(|peer| peer.connected);
        let mut hotkeys: Vec<_> = connected.map(|peer| peer.hotkey).collect();
        hotkeys.sort_unstable();
        hotkeys
    };
    let mut both = [1, 2].map(|position| network.peer(position).hotkey);
    both.sort_unstable();
    assert_eq!(connected(&trainer), both);
    network.withdraw(2);
    trainer.look_around();
    assert_eq!(connected(&trainer), [network.peer(1).hotkey]);
    // It is registered still: what is thought of it stays.
    assert!(
        trainer
            .opinions
            .by_hotkey()
            .contains_key(&network.peer(2).hotkey)
    );
}

#[test]
fn who_leaves_the_network_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::of(&[Answers::Honest, Answers::Honest, Answers::Honest]);
    let mut trainer = network.trainer(config(60), parts(folder.path()));
    trainer.step().unwrap();
    let n_parameters = trainer.parameters().len();
    network.deregister(2);
    trainer.look_around();
    assert_eq!(trainer.parameters().len(), n_parameters - 1);
    assert_eq!(
        trainer.opinions.by_hotkey().keys().collect::<Vec<_>>(),
        [&network.peer(1).hotkey]
    );
    trainer.step().unwrap();
}
