#!/usr/bin/env bash
# Resolve pyproject.toml again into requirements/*.txt: exact versions with hashes and no address
# to download from, so that every machine takes them from the registry it is set up for.
# Every Python takes the same versions, so that they judge alike and are checked alike.
# requirements/dev.txt is resolved first and holds everything; the others take its versions.
# Usage: scripts/lock.sh [UV OPTION...]    such as --upgrade, or --upgrade-package NAME
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock() {
  local file=$1
  shift
  .venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
    --fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links \
    --custom-compile-command "make lock" --output-file "requirements/$file.txt" "$@"
}

lock dev pyproject.toml --all-extras --group dev --group build "$@"
lock bench-peers --group pyproject.toml:bench-peers
lock build --group pyproject.toml:build --constraint requirements/dev.txt
for extra in agent aggregator training; do
  lock "$extra" pyproject.toml --extra "$extra" --constraint requirements/dev.txt
done
