//! How neurons talk: identity, axon, nucleus and dendrite.
