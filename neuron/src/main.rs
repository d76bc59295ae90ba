//! The neuron command: wallets, stake, weights, the metagraph, queries; serve and train start the worker.

fn main() {}
