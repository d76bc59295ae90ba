//! What it costs to put a tensor on the wire and to take it off again, without the wire.
//!
//! ```sh
//! make bench BENCH=codec    # a table; ARGS=--json for scripts
//! ```
//!
//! For tensors of 4 KiB and 128 KiB of f32 values, in each precision of the wire:
//!
//! * *encode*: cast to the precision, and written into the bytes of a message, as gRPC does it.
//! * *decode*: the message read and the tensor checked, its values finite among it.
//! * *cast*: the tensor's values as f32, as a model takes them.
//!
//! MB/s are of f32 values, 10^6 bytes, whatever the precision, so that the rows compare. Of several rounds the fastest
//! counts, by which time that a busy machine gave to others is left out.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use clap::Parser;
use neuron_benches::table::table;
use neuron_proto::{DType, Limits, Tensor, TensorError, v1};
use prost::Message as _;
use serde_json::json;

/// Values in a row.
const WIDTH: u32 = 512;
/// Rows of the tensors: 4 KiB and 128 KiB of f32.
const ROWS: [u32; 2] = [2, 64];
/// Precisions of the wire.
const PRECISIONS: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

#[derive(Parser)]
#[command(about = "Measures how fast tensors are encoded, decoded and cast")]
struct Arguments {
    /// Rounds; the fastest counts.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Milliseconds of each round of each step.
    #[arg(long, default_value_t = 20)]
    round_ms: u64,
    /// Print one JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

/// What one tensor took in one precision, in MB/s of its f32 values.
struct Speed {
    f32_bytes: usize,
    precision: DType,
    wire_bytes: usize,
    encode: f64,
    decode: f64,
    cast: f64,
    all: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut speeds = Vec::new();
    for rows in ROWS {
        for precision in PRECISIONS {
            speeds.push(measure(&values(rows)?, precision, &arguments)?);
        }
    }
    if arguments.json {
        speeds.iter().for_each(|speed| println!("{}", speed.json()));
    } else {
        println!("{}", in_a_table(&speeds));
    }
    Ok(())
}

/// Values between -1 and 1, the same each time.
fn values(rows: u32) -> Result<Tensor, TensorError> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // 23 random bits as the mantissa of a number in [2, 4).
        f32::from_bits(0x4000_0000 | state >> 9) - 3.0
    };
    let values = std::iter::repeat_with(next)
        .take((rows * WIDTH) as usize)
        .collect();
    Tensor::from_f32_vec(&[rows, WIDTH], values)
}

fn encode(tensor: &Tensor, precision: DType) -> Result<Vec<u8>, TensorError> {
    let inputs = Some(tensor.cast(precision)?.encode());
    Ok(v1::ForwardRequest {
        inputs,
        ..Default::default()
    }
    .encode_to_vec())
}

fn decode(wire: Bytes) -> Result<Tensor> {
    let request = v1::ForwardRequest::decode(wire)?;
    let tensor = Tensor::decode(request.inputs.unwrap_or_default(), &Limits::default())?;
    anyhow::ensure!(
        tensor.is_finite(),
        "the values were finite when they were sent"
    );
    Ok(tensor)
}

fn measure(tensor: &Tensor, precision: DType, arguments: &Arguments) -> Result<Speed> {
    let wire = Bytes::from(encode(tensor, precision)?);
    let arrived = decode(wire.clone())?;
    anyhow::ensure!(
        arrived == tensor.cast(precision)?,
        "the tensor survives the wire"
    );
    let speed_of = |step: &dyn Fn() -> Result<()>| -> Result<f64> {
        let seconds = fastest(step, arguments)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let megabytes = tensor.n_bytes() as f64 / 1e6;
        Ok(megabytes / seconds)
    };
    Ok(Speed {
        f32_bytes: tensor.n_bytes(),
        precision,
        wire_bytes: wire.len(),
        encode: speed_of(&|| {
            black_box(encode(black_box(tensor), precision)?);
            Ok(())
        })?,
        decode: speed_of(&|| {
            black_box(decode(black_box(wire.clone()))?);
            Ok(())
        })?,
        cast: speed_of(&|| {
            black_box(black_box(&arrived).to_f32()?);
            Ok(())
        })?,
        all: speed_of(&|| {
            let wire = Bytes::from(encode(black_box(tensor), precision)?);
            black_box(decode(wire)?.to_f32()?);
            Ok(())
        })?,
    })
}

/// Seconds of one step, in the fastest round.
fn fastest(step: &dyn Fn() -> Result<()>, arguments: &Arguments) -> Result<f64> {
    let round = Duration::from_millis(arguments.round_ms.max(1));
    let mut fastest = f64::INFINITY;
    for _ in 0..arguments.rounds.max(1) {
        let (start, mut n_steps) = (Instant::now(), 0u32);
        while start.elapsed() < round {
            // Some steps between two looks at the clock, which costs as much as a small step.
            for _ in 0..16 {
                step()?;
            }
            n_steps += 16;
        }
        fastest = fastest.min(start.elapsed().as_secs_f64() / f64::from(n_steps));
    }
    Ok(fastest)
}

impl Speed {
    fn json(&self) -> serde_json::Value {
        json!({
            "f32_bytes": self.f32_bytes,
            "precision": self.precision.name(),
            "wire_bytes": self.wire_bytes,
            "encode_mb_s": self.encode,
            "decode_mb_s": self.decode,
            "cast_mb_s": self.cast,
            "all_mb_s": self.all,
        })
    }
}

fn in_a_table(speeds: &[Speed]) -> String {
    let headers = [
        "f32 values",
        "precision",
        "bytes on the wire",
        "encode MB/s",
        "decode MB/s",
        "cast MB/s",
        "all three MB/s",
    ];
    let rows = speeds.iter().map(|speed| {
        let megabytes = |value: f64| format!("{value:.0}");
        [
            format!("{} KiB", speed.f32_bytes >> 10),
            speed.precision.to_string(),
            speed.wire_bytes.to_string(),
            megabytes(speed.encode),
            megabytes(speed.decode),
            megabytes(speed.cast),
            megabytes(speed.all),
        ]
    });
    table(headers, 2, rows)
}
