//! The chain as a neuron sees it: the metagraph at one block, and the calls that change it.
