#!/usr/bin/env bash
# Sets the machine up, builds what is needed, and runs the demo: a chain, five neurons, a report.
#
#   scripts/demo.sh [option of connectome-demo]..     scripts/demo.sh --help lists them, after the build
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/connectome/target}"

scripts/setup.sh --with-libtorch
LIBTORCH="$(scripts/libtorch.sh)"
export LIBTORCH

# The selection and the flags of the other targets, so that nothing is compiled twice.
cargo build --release --locked --workspace \
  --bin connectome-node --bin neuron --bin neuron-worker --bin connectome-demo

# exec: signals reach the demo, which stops everything in order.
exec "$CARGO_TARGET_DIR/release/connectome-demo" --report "$CARGO_TARGET_DIR/connectome-demo.html" "$@"
