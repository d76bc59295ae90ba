//! What a neuron learns: router, synapses, losses, data and checkpoints, on libtorch.

pub mod checkpoint;
pub mod codistillation;
pub mod dataset;
pub mod device;
pub mod events;
pub mod export;
pub mod flops;
pub mod likeliest;
mod linear;
pub mod loss;
pub mod model;
mod nn;
pub mod optim;
pub mod parameters;
#[cfg(test)]
mod parity;
pub mod precision;
pub mod router;
pub mod source;
pub mod synapse;
pub mod tensor;
pub mod text;
