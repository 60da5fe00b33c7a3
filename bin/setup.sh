# shellcheck shell=bash
# Sourced by the scripts beside it, which have changed to the checkout before: makes .venv what the requirements ask for.
# Does nothing, quickly, when it is so already.

umask 022 # PostgreSQL runs as another user when we are root, and has to get past our folders

say() { printf '  %s\n' "$*"; }

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  fail "herdsite needs Python 3.11 or newer and found $(python3 --version 2>&1 || true). Install one" \
    "(Debian, Ubuntu: apt install python3 python3-venv), or name it: PYTHON=/path/to/python3 $0"
}

make_venv() {
  # The programs in a .venv know its place: one that was moved with its checkout is made anew.
  if [ -f .venv/made-in ] && [ "$(cat .venv/made-in)" != "$PWD" ]; then
    rm -rf .venv
  fi
  if ! is_new_enough .venv/bin/python; then
    local python
    python=$(find_python)
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    if ! "$python" -m venv .venv >.venv.log 2>&1; then
      rm -rf .venv
      cat .venv.log >&2
      rm -f .venv.log
      fail "$python can't make virtual environments. Debian, Ubuntu: apt install python3-venv"
    fi
    rm -f .venv.log
  fi
  printf '%s\n' "$PWD" >.venv/made-in
}

# install_from FILE: what the requirements file lists, and nothing else. Each file that comes must have a hash that is
# listed there (bin/pin), and be a wheel: no package's own code runs before somebody has chosen to run it.
install_from() {
  local sum stamp=".venv/installed-$1"
  sum=$(cksum <"$1")
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ]; then
    return
  fi
  say "installing $1 (the first time takes a minute or two)"
  .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$1" ||
    fail "pip could not install $1: its message is above. Run it again once that is mended."
  printf '%s\n' "$sum" >"$stamp"
}

set_up() {
  if [ -e var ] && [ ! -w var ]; then
    fail "$PWD/var belongs to $(stat -c %U var): run this as that user, or remove it"
  fi
  make_venv
  install_from "$1"
  if [ "$(id -u)" -eq 0 ]; then
    # PostgreSQL refuses to run as root: the account it runs as.
    .venv/bin/python -c 'from fleet.providers.local import spawn; spawn.ensure_owner()'
  fi
}
