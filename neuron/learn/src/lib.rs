//! What a neuron learns: router, synapses, losses, data and checkpoints, on libtorch.

pub mod tensor;
