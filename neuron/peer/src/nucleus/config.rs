//! How much the nucleus takes on, and the check that the numbers can be true together.

use std::time::Duration;

use neuron_proto::{MAX_RANK, Modality};

use super::SynapseSpec;

/// How much a nucleus takes on. Checked as a whole by [`Nucleus::start`](super::Nucleus::start).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NucleusConfig {
    /// Rows that the model takes at once, over all callers.
    pub max_batch_rows: u32,
    /// Bytes of inputs and answers that the model deals with at once, inputs as they came: it may widen each byte to a
    /// float, and needs a few times as much for what it computes. One request is taken whatever its size.
    pub max_batch_bytes: usize,
    /// Rows of one request; at most `max_batch_rows`, since a request is never split.
    pub max_request_rows: u32,
    /// Bytes of the answer to one request, in F32, as the model computes it; a request for more is refused. Of likeliest classes,
    /// also of the encodings that they are told from, and of the whole distributions that there are at once meanwhile.
    pub max_answer_bytes: usize,
    /// How long a request waits for others to share its batch, while the model has nothing to do; never longer than half of
    /// the time until its deadline. With zero, a batch is what came while the batch before it ran, which costs a lone caller
    /// nothing.
    pub max_wait: Duration,
    /// Requests that may wait at once; the batch that runs does not count.
    pub max_queue_requests: usize,
    /// Bytes of inputs that may wait at once, and of the answers that they ask for.
    pub max_queue_bytes: usize,
}

impl Default for NucleusConfig {
    /// 256 rows and 64 MiB at once; 64 of the rows and 32 MiB of answer for one request, no wait; 1,024 requests and 256 MiB
    /// in the queue.
    ///
    /// An answer of 32 MiB is 32 texts of 64 tokens over a vocabulary of 4,096, twice a batch of what neurons learn from by
    /// default. With the largest tensor that an axon takes by default, it is less than a caller may hold there.
    fn default() -> NucleusConfig {
        NucleusConfig {
            max_batch_rows: 256,
            max_batch_bytes: 64 << 20,
            max_request_rows: 64,
            max_answer_bytes: 32 << 20,
            max_wait: Duration::ZERO,
            max_queue_requests: 1024,
            max_queue_bytes: 256 << 20,
        }
    }
}

/// Why a nucleus cannot start, or cannot take a new model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NucleusError {
    /// A bound that admits nothing.
    #[error("{0} must be at least 1, got 0")]
    Zero(&'static str),
    /// A request that is allowed, but fits into no batch.
    #[error(
        "max_request_rows is {request}, beyond max_batch_rows, which is {batch}: a request is never \
         split, so lower the first or raise the second"
    )]
    RequestBeyondBatch {
        /// `max_request_rows`.
        request: u32,
        /// `max_batch_rows`.
        batch: u32,
    },
    /// A full batch that the queue can never hold.
    #[error(
        "max_queue_requests × max_request_rows is {requests} × {rows}, below max_batch_rows, which is \
         {batch}: no batch could ever be full, so raise one of the first two or lower the third"
    )]
    BatchBeyondQueue {
        /// `max_queue_requests`.
        requests: usize,
        /// `max_request_rows`.
        rows: u32,
        /// `max_batch_rows`.
        batch: u32,
    },
    /// A request that is allowed, but larger than the whole queue.
    #[error(
        "a request of {rows} rows of {modality} has {inputs} bytes and its answer {answer}, together beyond \
         max_queue_bytes, which is {queue}: lower max_request_rows or max_answer_bytes, or raise max_queue_bytes"
    )]
    RequestBeyondQueue {
        /// Whose request it is.
        modality: Modality,
        /// `max_request_rows`.
        rows: u32,
        /// Bytes of its inputs in the widest type.
        inputs: usize,
        /// Bytes of its largest answer, at most `max_answer_bytes`.
        answer: usize,
        /// `max_queue_bytes`.
        queue: usize,
    },
    /// The model serves nothing.
    #[error("the model has no synapse, expected at least one")]
    NoSynapse,
    /// Two synapses for one modality: a request could mean either.
    #[error("the model has two synapses for {0}, expected at most one")]
    TwoSynapses(Modality),
    /// A synapse that takes no type of input.
    #[error("the synapse for {0} takes no type of input, expected at least one")]
    NoInput(Modality),
    /// A synapse whose predictions have no axis of classes: peers would read that as no predictions.
    #[error(
        "the predictions of the synapse for {0} have no axes, expected at least that of classes"
    )]
    NoClasses(Modality),
    /// A synapse of whose answers nobody can tell how long they are.
    #[error(
        "an output of the synapse for {0} has a free axis at a place where its inputs have none: a free axis is as long as \
         that of the inputs at the same place, so give it a size"
    )]
    UnboundAxis(Modality),
    /// A synapse whose shapes no tensor can have.
    #[error("the synapse for {modality} has rows of {rank} axes, expected at most {}", MAX_RANK - 1)]
    Rank {
        /// Whose rows they are.
        modality: Modality,
        /// Axes of one row.
        rank: usize,
    },
    /// A new model that serves something else than the one before it, which peers were told about.
    #[error("expected a model with the synapses {expected:?}, got {actual:?}")]
    OtherSynapses {
        /// What is served.
        expected: Vec<SynapseSpec>,
        /// What the new model has.
        actual: Vec<SynapseSpec>,
    },
    /// The operating system gave no thread.
    #[error("the model's thread cannot be started: {0}")]
    Thread(String),
}

impl NucleusConfig {
    /// Checks these numbers against each other and against what the model serves.
    pub(super) fn check(&self, specs: &[SynapseSpec]) -> Result<(), NucleusError> {
        self.check_bounds()?;
        if specs.is_empty() {
            return Err(NucleusError::NoSynapse);
        }
        for (position, spec) in specs.iter().enumerate() {
            if specs[..position]
                .iter()
                .any(|other| other.modality == spec.modality)
            {
                return Err(NucleusError::TwoSynapses(spec.modality));
            }
            self.check_spec(spec)?;
        }
        Ok(())
    }

    fn check_bounds(&self) -> Result<(), NucleusError> {
        for (name, is_zero) in [
            ("max_batch_rows", self.max_batch_rows == 0),
            ("max_batch_bytes", self.max_batch_bytes == 0),
            ("max_request_rows", self.max_request_rows == 0),
            ("max_answer_bytes", self.max_answer_bytes == 0),
            ("max_queue_requests", self.max_queue_requests == 0),
            ("max_queue_bytes", self.max_queue_bytes == 0),
        ] {
            if is_zero {
                return Err(NucleusError::Zero(name));
            }
        }
        let (batch, request) = (self.max_batch_rows, self.max_request_rows);
        if request > batch {
            return Err(NucleusError::RequestBeyondBatch { request, batch });
        }
        let requests = self.max_queue_requests;
        if requests.saturating_mul(request as usize) < batch as usize {
            return Err(NucleusError::BatchBeyondQueue {
                requests,
                rows: request,
                batch,
            });
        }
        Ok(())
    }

    fn check_spec(&self, spec: &SynapseSpec) -> Result<(), NucleusError> {
        let modality = spec.modality;
        if spec.input_dtypes.is_empty() {
            return Err(NucleusError::NoInput(modality));
        }
        let prediction = spec.prediction_shape.as_deref();
        if prediction == Some(&[]) {
            return Err(NucleusError::NoClasses(modality));
        }
        let rank = [&spec.input_shape, &spec.output_shape]
            .into_iter()
            .map(Vec::len)
            .chain(prediction.map(<[u32]>::len))
            .max()
            .unwrap_or_default();
        if rank >= MAX_RANK {
            return Err(NucleusError::Rank { modality, rank });
        }
        if spec.has_unbound_axis() {
            return Err(NucleusError::UnboundAxis(modality));
        }
        self.check_largest_request(spec)
    }

    fn check_largest_request(&self, spec: &SynapseSpec) -> Result<(), NucleusError> {
        let (rows, queue) = (self.max_request_rows, self.max_queue_bytes);
        let Some(row_bytes) = spec.max_row_bytes() else {
            // Rows of a free axis are as large as they like; each request is then held against the queue as it comes.
            return Ok(());
        };
        let inputs = row_bytes.saturating_mul(rows as usize);
        let answer = self.largest_answer(spec);
        if inputs.saturating_add(answer) <= queue {
            return Ok(());
        }
        Err(NucleusError::RequestBeyondQueue {
            modality: spec.modality,
            rows,
            inputs,
            answer,
            queue,
        })
    }

    /// Bytes of the largest answer that this synapse gives to one request.
    pub(crate) fn largest_answer(&self, spec: &SynapseSpec) -> usize {
        let rows = self.max_request_rows as usize;
        let largest = spec
            .max_answer_row_bytes()
            .map(|row_bytes| row_bytes.saturating_mul(rows));
        largest.map_or(self.max_answer_bytes, |largest| {
            largest.min(self.max_answer_bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use neuron_proto::DType;

    use super::*;

    fn spec() -> SynapseSpec {
        SynapseSpec {
            modality: Modality::Tensor,
            input_dtypes: vec![DType::U8, DType::F32],
            input_shape: vec![1024],
            output_shape: vec![10],
            prediction_shape: None,
            tokenizer: None,
            accepts_gradients: false,
        }
    }

    fn error(config: NucleusConfig) -> NucleusError {
        config.check(&[spec()]).unwrap_err()
    }

    #[test]
    fn the_defaults_agree_with_each_other() {
        assert_eq!(NucleusConfig::default().check(&[spec()]), Ok(()));
    }

    #[test]
    fn bounds_that_contradict_each_other_are_named() {
        let config = NucleusConfig::default;
        assert_eq!(
            error(NucleusConfig {
                max_queue_bytes: 0,
                ..config()
            }),
            NucleusError::Zero("max_queue_bytes")
        );
        assert_eq!(
            error(NucleusConfig {
                max_batch_rows: 32,
                ..config()
            }),
            NucleusError::RequestBeyondBatch {
                request: 64,
                batch: 32
            },
        );
        assert_eq!(
            error(NucleusConfig {
                max_queue_requests: 3,
                ..config()
            }),
            NucleusError::BatchBeyondQueue {
                requests: 3,
                rows: 64,
                batch: 256
            },
        );
        // 64 rows × 1,024 elements × 4 bytes, and 64 rows × 10 elements × 4 bytes.
        let (rows, inputs, answer, modality) = (64, 1 << 18, 2560, Modality::Tensor);
        assert_eq!(
            NucleusConfig {
                max_queue_bytes: inputs + answer,
                ..config()
            }
            .check(&[spec()]),
            Ok(())
        );
        let queue = inputs + answer - 1;
        assert_eq!(
            error(NucleusConfig {
                max_queue_bytes: queue,
                ..config()
            }),
            NucleusError::RequestBeyondQueue {
                modality,
                rows,
                inputs,
                answer,
                queue
            },
        );
        let short = NucleusConfig {
            max_queue_bytes: inputs + 1,
            max_answer_bytes: 1,
            ..config()
        };
        assert_eq!(short.check(&[spec()]), Ok(()), "no answer is longer");
    }

    #[test]
    fn a_model_that_cannot_be_served_is_named() {
        let check = |specs: &[SynapseSpec]| NucleusConfig::default().check(specs).unwrap_err();
        assert_eq!(check(&[]), NucleusError::NoSynapse);
        assert_eq!(
            check(&[spec(), spec()]),
            NucleusError::TwoSynapses(Modality::Tensor)
        );
        let no_input = SynapseSpec {
            input_dtypes: Vec::new(),
            ..spec()
        };
        assert_eq!(check(&[no_input]), NucleusError::NoInput(Modality::Tensor));
        let no_classes = SynapseSpec {
            prediction_shape: Some(Vec::new()),
            ..spec()
        };
        assert_eq!(
            check(&[no_classes]),
            NucleusError::NoClasses(Modality::Tensor)
        );
        let unbound = SynapseSpec {
            output_shape: vec![10, 0],
            ..spec()
        };
        assert_eq!(
            check(&[unbound]),
            NucleusError::UnboundAxis(Modality::Tensor)
        );
        let deep = SynapseSpec {
            output_shape: vec![1; 8],
            ..spec()
        };
        let deep_predictions = SynapseSpec {
            prediction_shape: Some(vec![1; 8]),
            ..spec()
        };
        for deep in [deep, deep_predictions] {
            assert_eq!(
                check(&[deep]),
                NucleusError::Rank {
                    modality: Modality::Tensor,
                    rank: 8
                }
            );
        }
    }
}
