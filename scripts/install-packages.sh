#!/usr/bin/env bash
# Install Debian packages that are missing, as root or through a sudo that asks nothing.
# Where that is not possible, one line says what is missing, and the exit code is 1.
# Usage: scripts/install-packages.sh PACKAGE...
set -uo pipefail

missing=()
for package in "$@"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
    missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

give_up() {
  echo "not installed: ${missing[*]} ($1)" >&2
  exit 1
}

command -v apt-get >/dev/null || give_up "no apt-get here"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null </dev/null || give_up "sudo apt-get install does it"
  as_root=(sudo -n)
fi

apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" </dev/null 2>&1; }
echo "installing ${missing[*]}" >&2
apt install -y --no-install-recommends "${missing[@]}" >/dev/null && exit 0
apt update >/dev/null # the lists of packages may be absent or old
log=$(apt install -y --no-install-recommends "${missing[@]}") && exit 0
give_up "apt-get: $(tail -n 1 <<<"$log")"
