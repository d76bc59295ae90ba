//! Measurements of the wire, the router and training, with fixed seeds.
