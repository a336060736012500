#!/bin/sh
# Make .venv with everything in requirements.lock. Safe to repeat: does nothing when up to date.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }
is_root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || fail "$python not found; install Python 3.11, 3.12 or 3.13."
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' ||
  fail "$("$python" --version) found; expected Python 3.11, 3.12 or 3.13: set PYTHON=/path/to/python."

stamp=.venv/.workbench-setup
wanted=$(cat requirements.lock pyproject.toml | cksum; "$python" --version)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  is_root_on_debian || fail "this Python has no ensurepip; run 'sudo apt-get install python3-venv'."
  echo "setup: installing Debian's python3-venv"
  apt-get update -q >/dev/null && apt-get install -y -q python3-venv >/dev/null ||
    fail "python3-venv could not be installed; install it by hand and repeat."
fi
if ! ldconfig -p 2>/dev/null | grep -q libgomp.so.1; then
  if is_root_on_debian; then
    echo "setup: installing Debian's libgomp1 (LightGBM needs it)"
    apt-get update -q >/dev/null && apt-get install -y -q libgomp1 >/dev/null ||
      fail "libgomp1 could not be installed; install it by hand and repeat."
  else
    echo "setup: libgomp.so.1 not found; LightGBM needs it (Debian: apt-get install libgomp1)." >&2
  fi
fi

echo "setup: installing pinned packages into .venv (2.2 GB, about a minute on 2 cores)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
quiet=--quiet
if [ -t 2 ]; then quiet=; fi # somebody is watching: show what is downloaded and installed
# shellcheck disable=SC2086
.venv/bin/uv pip install $quiet --python .venv/bin/python --compile-bytecode --require-hashes \
  -r requirements.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
printf '%s' "$wanted" > "$stamp"
echo "setup: done"
