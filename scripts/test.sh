#!/usr/bin/env bash
# Every check of the project, in the order in which they are likely to fail cheaply; stops at the first failure.
#
#   scripts/test.sh                 all of them, set-up included (this is `make test`)
#   scripts/test.sh format lint     only these
#
# All stages but the last two, and lint's check of fuzz/, select the same crates with the same features and profile, so a
# dependency is compiled once for running and checked once for clippy and rustdoc together.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/connectome/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
export LIBTORCH="${LIBTORCH:-}"
readonly ALL="--release --locked --workspace"

stage_setup() {
  ./scripts/setup.sh --with-libtorch
  ./scripts/minilm.sh
  ./scripts/transformers.sh
}

stage_format() { cargo fmt --all --check; }

# Clippy builds the build scripts a second time as its own; without SKIP_WASM_BUILD the runtime's would then build the
# wasm with clippy. Docs and build share theirs, and there the wasm is wanted.
#
# The targets of libFuzzer are a workspace of their own, which nothing else here compiles. It takes a minute the first time.
stage_lint() {
  # shellcheck disable=SC2086  # a list of words
  SKIP_WASM_BUILD=1 cargo clippy $ALL --all-targets -- -D warnings
  cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir "$CARGO_TARGET_DIR/fuzz"
}

# shellcheck disable=SC2086
stage_docs() { RUSTDOCFLAGS="-D warnings" cargo doc $ALL --no-deps; }

# Everything that is run below: the node with its wasm runtime, and every test and benchmark.
# shellcheck disable=SC2086
stage_build() { cargo build $ALL --all-targets; }

# shellcheck disable=SC2086
stage_tests() { cargo test $ALL; }

# The pallet again with the features that a network's operators use: benchmarks run as tests, try-state checks compiled in.
# Clippy as well, since `lint` sees nothing of what is behind them.
stage_pallet() {
  local pallet="--release --locked --package pallet-metagraph --features runtime-benchmarks,try-runtime"
  # shellcheck disable=SC2086  # a list of words
  SKIP_WASM_BUILD=1 cargo clippy $pallet --all-targets -- -D warnings
  # shellcheck disable=SC2086
  cargo test $pallet
}

# The incentive function once more with overflow checks and debug assertions, which release builds leave out: that nothing
# overflows is a promise of it.
stage_checked() { cargo test --profile checked --locked --package incentive; }

# Not part of the full run: it needs a tool that most machines do not have. (It would warn of each crate that spells
# its licence in an old way.)
stage_licences() {
  if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked check --allow parse-error bans licenses sources
  else
    echo "skipped: cargo-deny is not installed (cargo install cargo-deny --locked)"
  fi
}

run() {
  local stage=$1 started=$SECONDS
  echo "==> $stage"
  # What compiles the neuron needs to know where libtorch is; before set-up it may be nowhere.
  [ "$stage" = setup ] || [ "$stage" = format ] || LIBTORCH=$(./scripts/libtorch.sh)
  # No `if` or `||` around the call: they would switch `set -e` off inside it.
  trap 'echo "==> '"$stage"': FAILED after $((SECONDS - '"$started"')) s" >&2' EXIT
  "stage_$stage"
  trap - EXIT
  echo "==> $stage: $((SECONDS - started)) s"
}

[ $# -gt 0 ] || set -- setup format lint docs build tests pallet checked
for stage in "$@"; do
  run "$stage"
done
echo "==> all passed: $SECONDS s"
