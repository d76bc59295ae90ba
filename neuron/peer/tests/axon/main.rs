//! The axon as its callers see it: real sockets, real TLS, a scripted model.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod connections;
mod harness;
mod identities;
mod predictions;
mod requests;
mod shutdown;
