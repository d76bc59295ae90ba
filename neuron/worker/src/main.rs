//! The part of a neuron that holds a model: serve and train.

fn main() {}
