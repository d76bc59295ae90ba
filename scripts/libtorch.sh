#!/usr/bin/env bash
# Prints the folder of the libtorch to build with, and says on stderr where none is found.
#
#   export LIBTORCH="$(scripts/libtorch.sh)"     what cargo needs to build the neuron
#   scripts/libtorch.sh --version                its version instead
#
# In this order: LIBTORCH, where it is set; the PyTorch of `python3`; the one that scripts/setup.sh installed.
set -euo pipefail

readonly TORCH_VERSION=2.11.0
readonly VENV="${XDG_CACHE_HOME:-$HOME/.cache}/connectome/torch-$TORCH_VERSION"

# The folder and the version of the PyTorch of interpreter $1, without importing it (which takes seconds).
torch_of() {
  "$1" - 2>/dev/null <<'PY'
from importlib.metadata import distribution
torch = distribution("torch")
print(torch.locate_file("torch"), torch.version)
PY
}

version_in() { cat "$1/build-version" 2>/dev/null || sed -n "s/^__version__ = '\(.*\)'/\1/p" "$1/version.py" 2>/dev/null || true; }
is_wanted() { case "$1" in "${TORCH_VERSION%.*}".*) true ;; *) false ;; esac; }

found() {
  if [ "${wanted:-folder}" = version ]; then echo "$2"; else echo "$1"; fi
  exit 0
}

case "${1:-}" in
  "") ;;
  --version) wanted=version ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

if [ -n "${LIBTORCH:-}" ]; then
  version=$(version_in "$LIBTORCH")
  is_wanted "$version" && found "$LIBTORCH" "$version"
  echo "LIBTORCH=$LIBTORCH is ${version:-no libtorch}; unset it, or point it to version ${TORCH_VERSION%.*}" >&2
  exit 1
fi
for python in python3 "$VENV/bin/python3"; do
  command -v "$python" >/dev/null 2>&1 || continue
  read -r folder version < <(torch_of "$python") || continue
  is_wanted "$version" && found "$folder" "$version"
done
echo "no PyTorch ${TORCH_VERSION%.*} here: scripts/setup.sh --with-libtorch installs it" >&2
exit 1
