//! A trial: whether a module does what is declared of it.

use tch::{Device, Kind, Tensor};

use super::TorchScript;

/// Sizes that are tried where any will do: large enough for what a module may take off the edges.
const FREE: [i64; 2] = [32, 40];

/// Two rows that are the same alone and together may differ by roundings.
const TOLERANCE: f64 = 1e-4;

/// Runs a module over one row and over two.
///
/// # Errors
///
/// What was expected, and what came.
pub(super) fn run(module: &TorchScript) -> Result<(), String> {
    for size in FREE {
        let rows = [0, 1].map(|row| inputs(module, size, row));
        let both = features(module, &Tensor::cat(&rows, 0))?;
        for (row, place) in rows.iter().zip(0..) {
            let alone = features(module, row)?;
            if !alone.allclose(&both.narrow(0, place, 1), TOLERANCE, TOLERANCE, false) {
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

fn features(module: &TorchScript, inputs: &Tensor) -> Result<Tensor, String> {
    let features = module.features(inputs).map_err(|error| error.to_string())?;
    let is_finite = features.isfinite().all().int64_value(&[]) != 0;
    match is_finite {
        true => Ok(features),
        false => Err("expected finite numbers, and some are infinite or NaN".into()),
    }
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
