#!/usr/bin/env bash
# Bring the programs that we are measured beside: Debian's, Python's from requirements/bench-peers.txt
# into .cache/bench/peers, and Suricata from Debian 13 into .cache/bench/trixie (as root).
# What cannot be had is told in a line, and the benchmark goes on without it.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
readonly CACHE="$PWD/.cache/bench"
mkdir -p "$CACHE"

told() { echo "peers: $1" >&2; }

python_peers() {
  local state
  state=$(sha256sum requirements/bench-peers.txt)
  [ "$(cat "$CACHE/peers/.state" 2>/dev/null)" = "$state" ] && return
  rm -rf "$CACHE/peers"
  .venv/bin/python -m venv --without-pip "$CACHE/peers" &&
    .venv/bin/python -m pip --python "$CACHE/peers/bin/python" install -qq --no-input \
      --disable-pip-version-check --require-hashes --only-binary :all: \
      --requirement requirements/bench-peers.txt &&
    echo "$state" >"$CACHE/peers/.state"
}

# The same mirror as this machine's own packages; Debian 12 has no Suricata.
suricata() {
  local mirror
  [ -x "$CACHE/trixie/usr/bin/suricata" ] && [ -e "$CACHE/trixie/.complete" ] && return
  [ "$(id -u)" -eq 0 ] || return
  mirror=$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 'Label: Debian' | head -n 1)
  rm -rf "$CACHE/trixie"
  debootstrap --variant=minbase --include=suricata trixie "$CACHE/trixie" "$mirror" \
    >"$CACHE/debootstrap.log" 2>&1 && touch "$CACHE/trixie/.complete"
}

scripts/install-packages.sh softflowd tcpdump tshark argus-server nfdump libndpi-bin debootstrap ||
  told "some of Debian's tools are missing"
python_peers || told "no Python peers: see above"
suricata || told "no Suricata: it needs root, debootstrap, and Debian 13 on this machine's mirror"
