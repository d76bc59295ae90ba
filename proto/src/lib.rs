//! The wire between neurons: package neuron.v1, and tensors checked before they are believed.
