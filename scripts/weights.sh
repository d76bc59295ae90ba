#!/usr/bin/env bash
# Measures the dispatch weights of pallet-metagraph and writes pallets/metagraph/src/weights.rs.
#
# Weights hold for the machine they were measured on: run this on one that does nothing else. STEPS and REPEAT make a
# quicker, coarser run (`STEPS=10 REPEAT=2 make weights`). What is measured, and how to read it: docs/weights.md.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/connectome/target}"
readonly OUTPUT=pallets/metagraph/src/weights.rs

# The runtime to measure is built beside the ordinary one: in the same directory its wasm would replace the one that
# the node embeds. `check` is enough, the wasm comes out of the build script.
readonly MEASURED="$CARGO_TARGET_DIR/weights"
echo "==> the runtime, with its benchmarks"
CARGO_TARGET_DIR="$MEASURED" \
  cargo check --release --locked --package connectome-runtime --features runtime-benchmarks
readonly WASM="$MEASURED/release/wbuild/connectome-runtime/connectome_runtime.compact.compressed.wasm"

echo "==> the node, with its benchmark command"
# Without the runtime that `benchmark storage` would run: this node has no such command.
SKIP_FRAME_STORAGE_ACCESS_TEST_RUNTIME_WASM_BUILD=1 \
  cargo build --release --locked --workspace --bin connectome-node --features connectome-node/benchmark

echo "==> measuring"
# First beside the old file, so that a failed run leaves that as it is.
measured=$(mktemp -d)
trap 'rm -rf "$measured"' EXIT
"$CARGO_TARGET_DIR/release/connectome-node" benchmark pallet \
  --runtime "$WASM" --genesis-builder runtime \
  --pallet pallet_metagraph --extrinsic '*' \
  --steps "${STEPS:-50}" --repeat "${REPEAT:-20}" --disable-proof-recording --output-analysis max \
  --template scripts/weights.hbs --output "$measured/weights.rs"
rustfmt --edition 2024 --config-path rustfmt.toml "$measured/weights.rs"
cp "$measured/weights.rs" "$OUTPUT"
echo "==> wrote $OUTPUT"
