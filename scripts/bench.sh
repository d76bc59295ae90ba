#!/usr/bin/env bash
# Measures, in the release build. What each measurement is, and what it gave, is in benches/.
#
#   scripts/bench.sh                      all: epoch codec wire router train models learning snapshot startup (this is `make bench`)
#   scripts/bench.sh wire router          only these
#   ARGS=--json scripts/bench.sh wire     with options of that program, or a filter of the benchmarks of `epoch`
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/connectome/target}"
readonly ALL="epoch codec wire router train models learning snapshot startup"

for name in "$@"; do
  case " $ALL " in
    *" $name "*) ;;
    *) echo "there is no measurement $name; there are: $ALL" >&2; exit 2 ;;
  esac
done
# shellcheck disable=SC2086  # a list of words
[ $# -gt 0 ] || set -- $ALL

./scripts/setup.sh --with-libtorch
LIBTORCH="$(./scripts/libtorch.sh)"
export LIBTORCH

# Everything is built before anything is measured: with the selection and the flags of the other targets, so that nothing
# is compiled twice.
programs=()
for name in "$@"; do
  case "$name" in
    epoch) ;;
    snapshot) programs+=(--bin snapshot --bin connectome-node) ;;
    startup) programs+=(--bin startup --bin neuron) ;;
    *) programs+=(--bin "$name") ;;
  esac
done
[ ${#programs[@]} -eq 0 ] || cargo build --release --locked --workspace "${programs[@]}"
case " $* " in *" epoch "*) cargo bench --locked --workspace --bench epoch --no-run ;; esac

for name in "$@"; do
  echo "==> $name"
  case "$name" in
    # shellcheck disable=SC2086  # a list of words
    epoch) cargo bench --locked --workspace --bench epoch -- ${ARGS:-} ;;
    # shellcheck disable=SC2086
    *) "$CARGO_TARGET_DIR/release/$name" ${ARGS:-} ;;
  esac
done
