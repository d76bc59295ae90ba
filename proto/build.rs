//! Generates the Rust side of `proto/neuron/v1/axon.proto`, without a `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["neuron/v1/axon.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("neuron.v1.bin"), descriptors.encode_to_vec())?;
    // `bytes::Bytes` for every field of bytes: what arrived is moved, never copied.
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
