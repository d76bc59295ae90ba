#!/usr/bin/env bash
# Installs transformers (280 MB), which tests hold exported models against, aside of the PyTorch that it runs on, and prints the folder
# that PYTHONPATH takes. Safe to run again.
#
#   scripts/transformers.sh      by whatever index pip is configured with
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VERSION=5.24.0
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/connectome"
readonly FOLDER="$CACHE/transformers-$VERSION"

# The interpreter that PyTorch belongs to, or `python3` where libtorch is of none.
PYTHON="$(./scripts/libtorch.sh)/../../../../bin/python3"
[ -x "$PYTHON" ] || PYTHON=python3

# Not only there, but of this interpreter: what was installed for another version of Python does not load.
works_in() { PYTHONPATH=$1 "$PYTHON" -c 'from transformers import PreTrainedTokenizerFast' 2>/dev/null; }

if ! works_in "$FOLDER"; then
  mkdir -p "$CACHE"
  aside=$(mktemp -d "$CACHE/.transformers.XXXXXX")
  trap 'rm -rf "$aside"' EXIT
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --target "$aside" "transformers==$VERSION" || {
    echo "pip could not install transformers $VERSION; its message is above" >&2
    exit 1
  }
  works_in "$aside" || { echo "transformers $VERSION does not load in $PYTHON" >&2; exit 1; }
  rm -rf "$FOLDER"
  mv "$aside" "$FOLDER"
fi
echo "$FOLDER"
