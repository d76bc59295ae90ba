//! Keys of a neuron: coldkeys, hotkeys, and the files that hold them.
