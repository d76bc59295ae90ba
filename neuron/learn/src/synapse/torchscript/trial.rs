//! Trials: whether a module does what is declared of it, and whether what it learns can be kept.

use tch::{Device, Kind, Tensor};

use super::{Mode, Synapse, TorchScript};
use crate::parameters::Parameters;

/// Sizes that are tried where any will do: large enough for what a module may take off the edges.
const FREE: [i64; 2] = [32, 40];

/// Sizes that are tried of this module: of texts with a longest, that and half of it.
fn sizes(module: &TorchScript) -> [i64; 2] {
    let longest = module.config.longest().map(i64::from);
    longest.map_or(FREE, |longest| [(longest + 1) / 2, longest])
}

/// Two rows that are the same alone and together may differ by roundings.
const TOLERANCE: f64 = 1e-4;

/// Runs a module over one row, over it again, and over two.
///
/// # Errors
///
/// What was expected, and what came.
pub(super) fn of_answers(module: &TorchScript) -> Result<(), String> {
    for size in sizes(module) {
        let rows = [0, 1].map(|row| inputs(module, size, row));
        stays_as_it_is(module, &rows[0])?;
        if module.config.is_causal() {
            sees_nothing_ahead(module, &rows[0])?;
        }
        let both = features(module, &Tensor::cat(&rows, 0), Mode::Evaluation)?;
        for (row, place) in rows.iter().zip(0..) {
            let alone = features(module, row, Mode::Evaluation)?;
            if !is_near(&alone, &both.narrow(0, place, 1)) {
                return Err(
                    "expected of each row the same whatever other rows there are, and another row changed it".into(),
                );
            }
        }
        if !module.config.input_shape().contains(&0) {
            break;
        }
    }
    Ok(())
}

/// Whether answering changes nothing that is answered later: what peers are told must not depend on what was asked before.
fn stays_as_it_is(module: &TorchScript, row: &Tensor) -> Result<(), String> {
    let before = copied(&module.buffers());
    let [first, second] = [(); 2].map(|()| features(module, row, Mode::Evaluation));
    let (first, second) = (first?, second?);
    let after = module.buffers();
    let moved = before
        .iter()
        .find(|(name, tensor)| !tensor.equal(&after[*name]));
    if let Some((name, _)) = moved {
        return Err(format!(
            "expected a module in evaluation mode to stay as it is, and answering changed its buffer {name}"
        ));
    }
    let is_same = match module.device() {
        // The order of sums may differ from run to run elsewhere.
        Device::Cpu => first.equal(&second),
        _ => is_near(&first, &second),
    };
    match is_same {
        true => Ok(()),
        false => Err(
            "expected the same answer whenever a row is asked about, and the second differed from the first: the module \
             draws at random, or counts, in evaluation mode as well"
                .into(),
        ),
    }
}

/// Whether places of a text stay the same when its last token is another: a module that looks ahead would learn to copy.
fn sees_nothing_ahead(module: &TorchScript, row: &Tensor) -> Result<(), String> {
    let vocabulary = module.config.vocabulary().unwrap_or(1);
    let before = row.size()[1] - 1;
    let last = (row.narrow(1, before, 1) + 1).remainder(vocabulary);
    let other = Tensor::cat(&[row.narrow(1, 0, before), last], 1);
    let [ours, theirs] = [row, &other].map(|row| features(module, row, Mode::Evaluation));
    let [ours, theirs] = [ours?, theirs?].map(|features| features.narrow(1, 0, before));
    match is_near(&ours, &theirs) {
        true => Ok(()),
        false => Err(
            "expected of a causal module that each place has seen no token after it, and the last token changed what is said \
             before it"
                .into(),
        ),
    }
}

/// Lets a copy of a module learn from two rows, and holds a copy of the copy against it.
///
/// # Errors
///
/// What was expected, and what came.
pub(super) fn of_learning(module: &TorchScript) -> Result<(), String> {
    let rows = [0, 1].map(|row| inputs(module, sizes(module)[0], row));
    let both = Tensor::cat(&rows, 0);
    let copied = |module: &TorchScript| {
        let kept = "expected buffers to keep their shapes while the module learns";
        module.copied().map_err(|error| format!("{kept}: {error}"))
    };
    let learning = copied(module)?;
    let _ = features(&learning, &both, Mode::Training)?;
    let copy = copied(&learning)?;
    let [ours, theirs] = [&learning, &copy].map(|it| features(it, &both, Mode::Evaluation));
    match is_near(&ours?, &theirs?) {
        true => Ok(()),
        false => Err(
            "expected all that changes while the module learns to be in its parameters and buffers, and a copy of those \
             answers otherwise: make what it keeps a buffer (register_buffer)"
                .into(),
        ),
    }
}

fn features(module: &TorchScript, inputs: &Tensor, mode: Mode) -> Result<Tensor, String> {
    let features = module.features(inputs, mode);
    let features = features.map_err(|error| error.to_string())?;
    let is_finite = features.isfinite().all().int64_value(&[]) != 0;
    match is_finite {
        true => Ok(features),
        false => Err("expected finite numbers, and some are infinite or NaN".into()),
    }
}

fn is_near(one: &Tensor, other: &Tensor) -> bool {
    one.allclose(other, TOLERANCE, TOLERANCE, false)
}

fn copied(tensors: &Parameters) -> Parameters {
    let copied = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.copy());
    tensors.iter().map(copied).collect()
}

/// One row, `[1, ..]`: tokens that are known, or numbers in 0..1.
fn inputs(module: &TorchScript, free: i64, row: i64) -> Tensor {
    let config = &module.config;
    let axes = config.input_shape().iter().map(|&size| match size {
        0 => free,
        size => size.into(),
    });
    let size: Vec<i64> = std::iter::once(1).chain(axes).collect();
    let numel = size.iter().product::<i64>();
    let places = Tensor::arange(numel, (Kind::Int64, Device::Cpu)) * 7 + row * 3;
    match config.vocabulary() {
        Some(vocabulary) => places.remainder(vocabulary).reshape(&size),
        // The second row brighter than the first: means over a batch have to show.
        None => {
            let brightness = [0.5, 1.0][usize::from(row > 0)];
            let waves = (places.to_kind(Kind::Float) * 0.7).sin().square();
            (waves * brightness).reshape(&size)
        }
    }
}
