//! Scalars in the files that TensorBoard reads.
//!
//! A file named `events.out.tfevents.<seconds>.<..>` is a sequence of records,
//!
//! ```text
//! length   u64       of the data
//! masked crc32c      of the eight bytes of the length
//! data     length    an `Event` of tensorflow/core/util/event.proto
//! masked crc32c      of the data
//! ```
//!
//! all in little-endian order, where `masked(c) = (c rotated right by 15) + 0xa282ead8`. The first event names the
//! version of the format, each other one holds a summary: values by tag at a step.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use prost::Message;

/// The first event's version, as every writer has had it since 2016.
const VERSION: &str = "brain.Event:2";

/// `tensorflow.Event`, as much of it as is written.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

/// `tensorflow.Summary.Value`, a plain number.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    // An optional, so that zero is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// A file of events.
#[derive(Debug)]
pub(super) struct TensorBoard {
    file: File,
}

impl TensorBoard {
    /// A new file in the folder. Those of earlier runs there are shown with it, as one line.
    ///
    /// `time` is in milliseconds since 1970.
    pub(super) fn create(folder: &Path, time: u64) -> io::Result<Self> {
        let (seconds, milliseconds) = (time / 1_000, time % 1_000);
        let process = std::process::id();
        // TensorBoard orders files by name: seconds have had ten digits since 2001.
        let name = format!("events.out.tfevents.{seconds}.connectome.{process}.{milliseconds:03}");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(name))?;
        let mut board = Self { file };
        board.write(time, 0, What::FileVersion(VERSION.to_owned()))?;
        Ok(board)
    }

    /// Adds numbers at a step.
    pub(super) fn scalars(
        &mut self,
        time: u64,
        step: u64,
        scalars: &[(&str, f64)],
    ) -> io::Result<()> {
        #[expect(clippy::cast_possible_truncation, reason = "the format holds f32")]
        let value = |&(tag, value): &(&str, f64)| Value {
            tag: tag.to_owned(),
            simple_value: Some(value as f32),
        };
        let values = scalars.iter().map(value).collect();
        self.write(time, step, What::Summary(Summary { values }))
    }

    fn write(&mut self, time: u64, step: u64, what: What) -> io::Result<()> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of a clock, below 2^52"
        )]
        let event = Event {
            wall_time: time as f64 / 1_000.0,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            what: Some(what),
        };
        self.file.write_all(&framed(&event.encode_to_vec()))
    }
}

/// A record of the data.
fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [
        &length[..],
        &masked_crc(&length).to_le_bytes(),
        data,
        &masked_crc(data).to_le_bytes(),
    ]
    .concat()
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_tensorflow_writes() {
        // From Python, with tensorboard 2.21:
        // >>> import io; from tensorboard.summary.writer.record_writer import RecordWriter
        // >>> from tensorboard.compat.proto.event_pb2 import Event
        // >>> e = Event(wall_time=1.5, step=3)
        // >>> e.summary.value.add(tag="a", simple_value=0.0)
        // >>> f = io.BytesIO(); RecordWriter(f).write(e.SerializeToString()); f.getvalue().hex()
        let event = Event {
            wall_time: 1.5,
            step: 3,
            what: Some(What::Summary(Summary {
                values: vec![Value {
                    tag: "a".into(),
                    simple_value: Some(0.0),
                }],
            })),
        };
        let hex: String = framed(&event.encode_to_vec())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "1700000000000000e7cef81e09000000000000f83f10032a0a0a080a01611500000000be9b5264"
        );
    }
}
