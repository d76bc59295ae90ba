//! What a neuron learns: router, synapses, losses, data and checkpoints, on libtorch.

pub mod dataset;
mod linear;
pub mod loss;
pub mod optim;
pub mod parameters;
pub mod router;
pub mod synapse;
pub mod tensor;
