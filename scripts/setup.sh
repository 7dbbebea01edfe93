#!/usr/bin/env bash
# Make .venv from the hashed locks and put this project on it. Needs only python3 (its own venv
# and pip may be missing, as on a fresh Debian) and no root; does nothing when nothing changed.
# Usage: scripts/setup.sh programs   what the agent and the aggregator need
#        scripts/setup.sh develop    all of it: training, tests, linters
# PYTHON=/path/to/python3.12 chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SUITABLE='import struct, sys
sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and struct.calcsize("P") == 8))'
readonly DESCRIBE='import platform, struct; print(platform.python_version(), 8 * struct.calcsize("P"))'

fail() {
  echo "setup: $1" >&2
  exit 1
}

is_suitable() { "$1" -c "$SUITABLE" 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
    if is_suitable "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  local first=${PYTHON:-python3} version bits
  read -r version bits < <("$first" -c "$DESCRIBE" 2>/dev/null) ||
    fail "there is no $first: install python3 (3.11 to 3.13)"
  [ "$bits" = 64 ] || fail "Edgewarden needs a 64-bit system; $first here is a $bits-bit program"
  fail "Edgewarden needs Python 3.11 to 3.13; $first is $version (PYTHON=... chooses another)"
}

# A virtual environment does not survive being moved with its folder, nor losing its interpreter.
keep_environment() {
  is_suitable .venv/bin/python && grep -qF "$PWD/.venv" .venv/bin/activate &&
    { [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" -V)" = "$(.venv/bin/python -V)" ]; }
}

make_environment() {
  local python
  python=$(find_python)
  rm -rf .venv
  # Without pip, because Debian's python3 cannot bring it along unless python3-venv is installed.
  "$python" -m venv --without-pip .venv || fail "$python has no venv module: install python3-venv"
}

put_pip() {
  .venv/bin/python -m pip --version >/dev/null 2>&1 && return
  .venv/bin/python -m ensurepip >/dev/null 2>&1 && return
  pip_from_debian || fail "no pip, and apt-get cannot bring python3-pip-whl: install python3-venv"
}

# Unpack Debian's pip wheel without installing the package, which an ordinary user can do.
pip_from_debian() {
  local room="$PWD/.cache/pip" wheels
  rm -rf "$room"
  mkdir -p "$room"
  download_package "$room" python3-pip-whl >"$room/log" 2>&1 || return
  dpkg-deb -x "$room"/python3-pip-whl_*.deb "$room"
  wheels=("$room"/usr/share/python-wheels/pip-*.whl)
  .venv/bin/python "${wheels[0]}/pip" install --quiet --no-index --no-deps "${wheels[0]}"
  rm -rf "$room"
}

# Where nobody has run apt-get update yet, the lists of packages go to a folder of our own.
download_package() (
  own=(-o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1")
  mkdir -p "$1/lists/partial"
  cd "$1" || return
  apt-get download "$2" || { apt-get "${own[@]}" update && apt-get "${own[@]}" download "$2"; }
)

pip_install() {
  .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input "$@"
}

install() {
  put_pip
  pip_install --require-hashes --only-binary :all: "${@/#/--requirement=requirements/}"
  pip_install --no-deps --no-build-isolation --editable .
}

profile=${1:-programs}
case $profile in
  programs) locks=(build.txt agent.txt aggregator.txt) ;;
  develop) locks=(dev.txt) ;;
  *) fail "unknown: $profile (programs or develop)" ;;
esac

state=$(cat pyproject.toml requirements/*.txt | sha256sum)
is_current() { [ "$(cat ".venv/.edgewarden-$1" 2>/dev/null)" = "$state" ]; }

if keep_environment; then
  if is_current develop || is_current "$profile"; then exit; fi
  rm -f .venv/.edgewarden-*
else
  make_environment
fi
echo "setup: installing into .venv what requirements/ locks; the first time takes minutes" >&2
install "${locks[@]}"
echo "$state" >".venv/.edgewarden-$profile"
