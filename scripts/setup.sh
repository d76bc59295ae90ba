#!/usr/bin/env bash
# Makes a machine ready to build Connectome: system tools, Rust, the wasm target of the runtime.
# Safe to run again: what is there is left alone. One line per item, `ok` or what was done.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
readonly HERE
readonly TORCH_VERSION=2.11.0
readonly WASM_TARGET=wasm32v1-none
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/connectome"

usage() {
  cat <<USAGE
usage: scripts/setup.sh [--with-libtorch]

  (no option)      system tools, Rust, and the $WASM_TARGET target: all that the chain needs
  --with-libtorch  also PyTorch $TORCH_VERSION (about 5 GB), which the neuron needs; uses LIBTORCH or
                   a PyTorch ${TORCH_VERSION%.*} of yours where there is one
USAGE
}

ok() { printf '  %-8s %s\n' ok "$*"; }
doing() { printf '  %-8s %s\n' doing "$*"; }
fail() {
  printf '  %-8s %s\n' missing "$1" >&2
  shift
  [ $# -eq 0 ] || printf '           %s\n' "$@" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# `a` is at least version `b`.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# --- System tools ------------------------------------------------------------------------------------------------

# tool : what it is for. OpenSSL is compiled from source by a dependency, hence make and perl; no libssl is needed.
readonly TOOLS="cc c++ make perl protoc git"

apt_package() {
  case "$1" in
    cc | c++ | make) echo build-essential ;;
    protoc) echo protobuf-compiler ;;
    *) echo "$1" ;;
  esac
}

missing_tools() {
  local tool
  for tool in $TOOLS; do have "$tool" || echo "$tool"; done
  # What cargo knows the crate registry by. Only minimal images of Debian lack it.
  ! have apt-get || [ -n "${SSL_CERT_FILE:-}" ] || [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

install_with_apt() {
  local as_root="" packages
  packages=$(for tool in "$@"; do apt_package "$tool"; done | sort -u | tr '\n' ' ')
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || fail "$*" "as root: apt-get install $packages"
    as_root=sudo
  fi
  doing "${as_root:+$as_root }apt-get install $packages"
  $as_root apt-get update -qq
  # shellcheck disable=SC2086  # a list of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

system_tools() {
  local missing
  missing=$(missing_tools | tr '\n' ' ')
  if [ -n "$missing" ]; then
    if have apt-get; then
      # shellcheck disable=SC2086
      install_with_apt $missing
    elif [ "$(uname -s)" = Darwin ]; then
      fail "$missing" "xcode-select --install" "brew install protobuf"
    else
      fail "$missing" \
        "Fedora: dnf install gcc gcc-c++ make perl protobuf-compiler git" \
        "Arch:   pacman -S base-devel protobuf git" \
        "others: a C and a C++ compiler, make, perl, protoc, git"
    fi
    missing=$(missing_tools | tr '\n' ' ')
    [ -z "$missing" ] || fail "$missing" "still not on PATH after the installation"
  fi
  ok "system tools: $TOOLS"
}

# --- Rust --------------------------------------------------------------------------------------------------------

rust_version() { rustc --version | cut -d ' ' -f 2; }

rust() {
  local wanted
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$HERE/../Cargo.toml")
  # A rustup that was just installed is not on PATH before the next login.
  have cargo || [ ! -d "$HOME/.cargo/bin" ] || PATH="$HOME/.cargo/bin:$PATH"
  { have cargo && have rustc; } || fail "Rust $wanted or newer" \
    "with rustup (https://rustup.rs), then: rustup toolchain install stable" \
    "rustup itself is also packaged: apt-get install rustup (Debian 13, Ubuntu 24.04), brew install rustup"
  at_least "$(rust_version)" "$wanted" || fail "Rust $wanted or newer; this is $(rust_version)" "rustup update stable"
  ok "rust $(rust_version)"

  local component
  for component in rustfmt clippy; do
    if ! cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then
      have rustup || fail "$component" "install the $component of Rust $(rust_version) from where this Rust came"
      doing "rustup component add $component"
      rustup --quiet component add "$component" || fail "$component" "rustup component add $component"
    fi
  done
  ok "rustfmt, clippy"
}

# --- The wasm target ---------------------------------------------------------------------------------------------

sysroot() { rustc --print sysroot; }
wasm_target_is_there() { compgen -G "$(sysroot)/lib/rustlib/$WASM_TARGET/lib/libcore-*.rlib" >/dev/null; }

# Seconds are enough where it works; where toolchain downloads are blocked it must not hang.
with_limit() { if have timeout; then timeout 180 "$@"; else "$@"; fi; }

# apt-get or apt-cache over one foreign suite, with its own lists and cache: nothing of it reaches the system.
apt_aside() {
  local dir=$1 command=$2
  shift 2
  "$command" -qq -o "Dir::Etc::SourceList=$dir/suite.list" -o Dir::Etc::SourceParts=/dev/null \
    -o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User= \
    -o Acquire::Languages=none "$@"
}

# Fetches Debian's `rust-src` of exactly version $1 into directory $2, from the mirror this machine already uses.
debian_rust_src() {
  local version=$1 dir=$2 uri suite package signed_by=""
  have apt-get && have dpkg || return 1
  # shellcheck disable=SC2016  # apt's own variables
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' 2>/dev/null |
    grep -v -- -security | head -n 1)
  [ -n "$uri" ] || return 1
  [ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ] ||
    signed_by="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  for suite in trixie-backports forky sid; do
    echo "deb $signed_by $uri $suite main" >"$dir/suite.list"
    apt_aside "$dir" apt-get update >/dev/null 2>&1 || continue
    package=$(apt_aside "$dir" apt-cache madison rust-src 2>/dev/null | cut -d '|' -f 2 | tr -d ' ' |
      grep "^${version//./\\.}+" | head -n 1) || continue
    doing "rust-src $package of Debian $suite (unpacked aside, not installed)"
    (cd "$dir" && apt_aside "$dir" apt-get download "rust-src=$package" >/dev/null && dpkg -x rust-src_*.deb .) || continue
    return 0
  done
  return 1
}

# Compiles core and alloc for the target out of the sources in the sysroot. The runtime is linked with LTO, which
# needs the bitcode.
build_wasm_target() {
  local dir=$1 lib
  mkdir -p "$dir/std/src"
  printf '[package]\nname = "std"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' >"$dir/std/Cargo.toml"
  printf '#![no_std]\nextern crate alloc;\n' >"$dir/std/src/lib.rs"
  (
    cd "$dir/std"
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR="$dir/std/target" \
      cargo build --quiet --release -Zbuild-std=core,alloc --target "$WASM_TARGET"
  ) || return 1
  lib="$(sysroot)/lib/rustlib/$WASM_TARGET/lib"
  mkdir -p "$lib"
  rm -f "$lib"/lib{core,alloc,compiler_builtins}-*.rlib
  cp "$dir/std/target/$WASM_TARGET/release/deps/"lib{core,alloc,compiler_builtins}-*.rlib "$lib/"
}

wasm_target_from_sources() {
  local version source dir rc=0 linked=""
  version=$(rust_version)
  source="$(sysroot)/lib/rustlib/src/rust"
  [ -w "$(sysroot)/lib/rustlib" ] || return 1
  dir=$(mktemp -d)
  if [ ! -d "$source/library" ]; then
    debian_rust_src "$version" "$dir" && [ -d "$dir/usr/src/rustc-$version/library" ] || rc=1
    if [ $rc -eq 0 ]; then
      mkdir -p "$(dirname "$source")"
      ln -sfn "$dir/usr/src/rustc-$version" "$source"
      linked=yes
    fi
  fi
  if [ $rc -eq 0 ]; then
    doing "building core and alloc of Rust $version for $WASM_TARGET"
    build_wasm_target "$dir" || rc=1
  fi
  [ -z "$linked" ] || rm -f "$source"
  rm -rf "$dir"
  return $rc
}

wasm_target() {
  if ! wasm_target_is_there && have rustup; then
    doing "rustup target add $WASM_TARGET"
    with_limit rustup --quiet target add "$WASM_TARGET" >/dev/null 2>&1 || true
  fi
  wasm_target_is_there || wasm_target_from_sources || true
  wasm_target_is_there || fail "the $WASM_TARGET target of Rust $(rust_version)" \
    "with rustup:    rustup target add $WASM_TARGET" \
    "without rustup: the package of your distribution that carries the standard library of exactly this Rust" \
    "                for $WASM_TARGET, or its rust-src in $(sysroot)/lib/rustlib/src/rust; then run this again"
  ok "wasm target $WASM_TARGET"
}

# --- libtorch (optional) -----------------------------------------------------------------------------------------

# Debian and Ubuntu have the half of venv that brings pip in a package of its own.
venv_is_there() { have python3 && python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

python_with_venv() {
  venv_is_there || ! have apt-get || install_with_apt python3 python3-venv
  have python3 || fail "python3" "Fedora: dnf install python3" "Arch: pacman -S python" "macOS: brew install python"
  venv_is_there || fail "the venv module of $(command -v python3)" \
    "install it from where this Python came, or put another python3 before it on PATH"
}

libtorch() {
  local found quiet=--quiet venv="$CACHE/torch-$TORCH_VERSION"
  if ! found=$("$HERE/libtorch.sh" --version 2>/dev/null); then
    [ -z "${LIBTORCH:-}" ] || fail "libtorch $TORCH_VERSION in LIBTORCH=$LIBTORCH" \
      "unset LIBTORCH to have PyTorch $TORCH_VERSION installed, or point it to that version"
    python_with_venv
    doing "PyTorch $TORCH_VERSION into $venv (about 5 GB, which takes minutes)"
    mkdir -p "$CACHE"
    python3 -m venv "$venv" || fail "a virtual environment of $(command -v python3)" "its message is above"
    # On a terminal pip shows a bar for each download.
    [ ! -t 1 ] || quiet=""
    "$venv/bin/pip" install ${quiet:+"$quiet"} --disable-pip-version-check "torch==$TORCH_VERSION" ||
      fail "PyTorch $TORCH_VERSION" "pip could not install it; its message is above"
    found=$("$HERE/libtorch.sh" --version)
  fi
  ok "libtorch $found in $("$HERE/libtorch.sh")"
}

main() {
  local with_libtorch="" argument
  for argument in "$@"; do
    case "$argument" in
      --with-libtorch) with_libtorch=yes ;;
      -h | --help) usage; return ;;
      *) usage >&2; exit 2 ;;
    esac
  done
  echo "setup:"
  system_tools
  rust
  wasm_target
  [ -z "$with_libtorch" ] || libtorch
}

main "$@"
