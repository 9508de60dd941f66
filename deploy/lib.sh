# Shared by the scripts of this folder: finds or installs what they need, and says so.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }

die() { say "error: $*"; exit 1; }

# Runs a command as root: directly, or through sudo where that is needed and there.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"; else
    die "need root to run: $*"
  fi
}

# install PACKAGE... : with the machine's package manager.
install() {
  say "installing: $*"
  if command -v apt-get >/dev/null 2>&1; then
    as_root apt-get update -qq || say "package lists could not be renewed, going on with those there are"
    # A service must not start by itself: refundd and its tests run servers of their own.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  elif command -v dnf >/dev/null 2>&1; then as_root dnf install -y -q "$@"
  elif command -v apk >/dev/null 2>&1; then as_root apk add -q "$@"
  elif command -v brew >/dev/null 2>&1; then brew install -q "$@"
  else die "no package manager found; install by hand: $*"
  fi
}

# need COMMAND PACKAGE : installs PACKAGE unless COMMAND is there.
need() {
  command -v "$1" >/dev/null 2>&1 && return
  install "$2"
  command -v "$1" >/dev/null 2>&1 || die "$2 is installed but $1 is not on PATH"
}

# redis-server is named differently by the package managers.
need_redis() {
  if command -v apt-get >/dev/null 2>&1; then need redis-server redis-server; else need redis-server redis; fi
}

need_cargo() {
  command -v cargo >/dev/null 2>&1 && return
  [ -x "$HOME/.cargo/bin/cargo" ] && PATH="$HOME/.cargo/bin:$PATH" && export PATH && return
  die "cargo is missing: install Rust 1.89 or newer from https://rustup.rs and run this again"
}

# The ring crate, which reqwest and redis use for TLS, compiles some C.
need_cc() {
  command -v cc >/dev/null 2>&1 || need cc gcc
}

# promtool tests the alert rules. Debian packs it with the server, which install keeps from starting.
need_promtool() {
  command -v promtool >/dev/null 2>&1 && return
  install prometheus
  command -v promtool >/dev/null 2>&1 || die "prometheus is installed but promtool is not on PATH"
}

# redis-py, for examples/roundtrip.py: for any Python that the tests try, else below target/.
need_redis_py() {
  has_redis_py && return
  if command -v apt-get >/dev/null 2>&1; then install python3-redis; has_redis_py && return; fi
  say "installing redis-py into target/python"
  python3 -m pip install --quiet --disable-pip-version-check --target target/python redis && has_redis_py ||
    die "no Python has redis-py: install it by hand (https://pypi.org/project/redis)"
}

# schemathesis, for tests/it/ops/fuzzed.rs: in an environment of its own below target/.
need_schemathesis() {
  wanted=4.32.5
  target/schemathesis/bin/python -c "import importlib.metadata as m; assert m.version('schemathesis') == '$wanted'" \
    >/dev/null 2>&1 && return
  say "installing schemathesis $wanted into target/schemathesis"
  python3 -m venv --clear target/schemathesis >/dev/null 2>&1 || {
    install python3-venv
    python3 -m venv --clear target/schemathesis
  }
  target/schemathesis/bin/python -m pip install --quiet --disable-pip-version-check "schemathesis==$wanted" ||
    die "schemathesis $wanted cannot be installed (https://pypi.org/project/schemathesis)"
}

# Chromium and its driver, for tests/it/browser/.
need_browser() {
  if command -v apt-get >/dev/null 2>&1; then
    need chromedriver chromium-driver
    command -v chromium >/dev/null 2>&1 || install chromium
  else
    command -v chromedriver >/dev/null 2>&1 || die "chromedriver and a Chromium of the same version are missing: install both"
  fi
}

has_redis_py() {
  for python in python3 /usr/bin/python3; do
    PYTHONPATH="target/python" "$python" -c 'import redis' >/dev/null 2>&1 && return
  done
  return 1
}
