#!/usr/bin/env bash
# Writes neuron/metagraph/metadata.scale, from which the neuron's types of the chain are made, as the node that was built
# says it. To be run when the runtime's calls, storage, events or interfaces have changed; tests/tests/client.rs says when.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/connectome/target}"
readonly NODE="${CONNECTOME_NODE:-$CARGO_TARGET_DIR/release/connectome-node}"

log=$(mktemp)
"$NODE" --dev --tmp --rpc-port 0 --port 0 --no-prometheus --no-telemetry --no-mdns 2>"$log" &
node=$!
trap 'kill $node 2>/dev/null; wait $node 2>/dev/null || true; rm -f "$log"' EXIT

url=
for _ in $(seq 300); do
  kill -0 $node 2>/dev/null || { cat "$log" >&2; exit 1; }
  port=$(sed -n 's/.*JSON-RPC server: addr=127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log" | head -n 1)
  [ -z "$port" ] || { url=ws://127.0.0.1:$port; break; }
  sleep 0.2
done
[ -n "$url" ] || { echo "the node does not answer:" >&2; cat "$log" >&2; exit 1; }

cargo build --release --locked --workspace --example metadata
"$CARGO_TARGET_DIR/release/examples/metadata" "$url" neuron/metagraph/metadata.scale
