//! Package `neuron.v1` as prost and tonic generate it from `proto/neuron/v1/axon.proto`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::cast_possible_truncation,
    reason = "generated: the protocol's comments document it"
)]

tonic::include_proto!("neuron.v1");

/// The package's file descriptors, encoded: what gRPC reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("neuron.v1");
