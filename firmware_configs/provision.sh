#!/usr/bin/env bash
# Prepares a machine for Edgewarden, and takes it back. Run it from a clone, see --help.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
firmware=$here/firmware_configs

usage() {
  cat <<'TEXT'
usage: provision.sh [--check] [--undo] [options]

  (no option)        put everything in place; running it again changes nothing
  --check            only say what would change; exit status 1 if anything would
  --undo             restore what was replaced, remove what was made, keep what was edited

  --role ROLE        agent (default) or aggregator
  --profile NAME     agent only: feature-extraction-4gb or edge-ml-8gb
  --device-id NAME   agent only: the name it reports under (default: this machine's name)
  --no-network       leave the network alone: no bridge (for a mirror port, or a lab)
  --no-firewall      leave the packet filter alone
  --firewall         aggregator only: install the default-deny packet filter too
  --root DIR         work below DIR instead of /

An existing agent.toml, aggregator.toml or credential is never overwritten.
Exit status: 0 done, 1 --check found changes, 2 refused.
TEXT
}

refuse() {
  printf 'provision.sh: %s\n' "$*" >&2
  exit 2
}

check=false undo=false role=agent profile='' device_id='' network=true firewall='' root=''
while [ $# -gt 0 ]; do
  case $1 in
    --check) check=true ;;
    --undo) undo=true ;;
    --no-network) network=false ;;
    --no-firewall) firewall=false ;;
    --firewall) firewall=true ;;
    --role | --profile | --device-id | --root)
      [ $# -ge 2 ] || refuse "$1 needs a value"
      case $1 in
        --role) role=$2 ;;
        --profile) profile=$2 ;;
        --device-id) device_id=$2 ;;
        --root) root=$2 ;;
      esac
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; refuse "unknown option $1" ;;
  esac
  shift
done

case $role in
  agent) firewall=${firewall:-true} ;;
  aggregator) firewall=${firewall:-false} network=false ;;
  *) refuse "unknown role $role" ;;
esac
if [ -n "$profile" ] && [ ! -f "$firmware/profiles/$profile/agent.toml" ]; then
  refuse "unknown profile $profile"
fi
if [ -n "$root" ]; then
  [ -d "$root" ] || refuse "$root is no folder"
  root=$(cd "$root" && pwd)
  [ "$root" != / ] || root=''
fi
if [ -z "$root" ] && ! $check && [ "$(id -u)" -ne 0 ]; then
  refuse "changing this machine needs root; --check does not"
fi

# --- memory of what was done -----------------------------------------------------------------

memory=$root/var/lib/edgewarden-provision
manifest=$memory/manifest
changes=0
kept=0
paths=()
declare -A kinds=() hashes=() announced=()

load_manifest() {
  [ -f "$manifest" ] || return 0
  local kind hash path
  while IFS=$'\t' read -r kind hash path; do
    paths+=("$path") kinds[$path]=$kind hashes[$path]=$hash
  done <"$manifest"
}

save_manifest() {
  mkdir -p "$memory"
  local path
  for path in "${paths[@]}"; do
    printf '%s\t%s\t%s\n' "${kinds[$path]}" "${hashes[$path]}" "$path"
  done >"$manifest.new"
  mv "$manifest.new" "$manifest"
}

record() { # KIND HASH PATH
  [ -n "${kinds[$3]:-}" ] || paths+=("$3")
  kinds[$3]=$1 hashes[$3]=$2
  save_manifest
}

hash_of() {
  sha256sum "$1" | cut -d ' ' -f 1
}

# Says what happens, and does it unless --check was given.
act() { # DESCRIPTION COMMAND...
  local what=$1
  shift
  changes=$((changes + 1))
  if $check; then
    printf 'would %s\n' "$what"
  else
    printf '%s\n' "$what"
    "$@"
  fi
}

keep() { # PATH WHY
  kept=$((kept + 1))
  printf 'keep %s: %s\n' "$1" "$2"
}

# --- putting things in place -----------------------------------------------------------------

new_folder() { # PATH MODE
  record folder - "$1"
  mkdir -m "$2" "$root$1"
}

make_folder() { # PATH [MODE]
  local path=$1 mode=${2:-755}
  if [ -d "$root$path" ] || [ -n "${announced[$path]:-}" ]; then return 0; fi
  make_folder "$(dirname "$path")"
  announced[$path]=yes
  act "create $path/" new_folder "$path" "$mode"
}

write_file() { # SOURCE PATH MODE: never leaves half a file behind
  cp "$1" "$root$2.edgewarden-new"
  chmod "$3" "$root$2.edgewarden-new"
  mv -f "$root$2.edgewarden-new" "$root$2"
}

write_new() { # SOURCE PATH MODE
  record made "$(hash_of "$1")" "$2"
  write_file "$@"
}

write_over() { # SOURCE PATH MODE: our own file, in an older version
  write_file "$@"
  record "${kinds[$2]}" "$(hash_of "$1")" "$2"
}

write_replacing() { # SOURCE PATH MODE: somebody else's file
  mkdir -p "$memory/backup$(dirname "$2")"
  cp -a "$root$2" "$memory/backup$2"
  record replaced "$(hash_of "$1")" "$2"
  write_file "$@"
}

put() { # SOURCE PATH [MODE]
  local source=$1 path=$2 mode=${3:-644}
  local target=$root$path
  make_folder "$(dirname "$path")"
  if [ ! -e "$target" ] && [ ! -L "$target" ]; then
    act "install $path" write_new "$source" "$path" "$mode"
  elif cmp -s "$source" "$target"; then
    return 0
  elif [ -z "${kinds[$path]:-}" ]; then
    act "replace $path (the old one is kept for --undo)" write_replacing "$source" "$path" "$mode"
  elif [ "$(hash_of "$target")" = "${hashes[$path]}" ]; then
    act "update $path" write_over "$source" "$path" "$mode"
  else
    keep "$path" "edited by hand; remove it to get the one that comes with this version"
  fi
}

put_once() { # SOURCE PATH: settings belong to the owner from the first moment
  if [ -e "$root$2" ]; then return 0; fi
  put "$1" "$2"
}

enable_recorded() { # UNIT
  record unit - "$1"
  systemctl --quiet --root="${root:-/}" enable "$1"
}

enable_unit() { # UNIT
  # Before the first run the unit is not there yet, which counts as not enabled.
  if systemctl --root="${root:-/}" is-enabled "$1" >/dev/null 2>&1; then return 0; fi
  act "enable $1" enable_recorded "$1"
}

has_unit() {
  [ -e "$root/lib/systemd/system/$1" ] || [ -e "$root/usr/lib/systemd/system/$1" ]
}

# --- the parts -------------------------------------------------------------------------------

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

network_part() {
  local file
  for file in "$firmware"/networkd/*; do
    put "$file" "/etc/systemd/network/$(basename "$file")"
  done
  if [ -d "$root/etc/NetworkManager" ]; then
    put "$firmware/NetworkManager/90-edgewarden.conf" /etc/NetworkManager/conf.d/90-edgewarden.conf
  fi
  if has_unit systemd-networkd.service; then
    enable_unit systemd-networkd.service
  else
    printf 'note: systemd-networkd is not installed; the bridge will not come up\n' >&2
  fi
  has_unit systemd-resolved.service ||
    printf 'note: without systemd-resolved no name server is set: apt install systemd-resolved\n' >&2
}

firewall_part() {
  put "$firmware/nftables/edgewarden-base.nft" /etc/edgewarden/nftables/edgewarden-base.nft
  put "$firmware/nftables/edgewarden-remove.nft" /etc/edgewarden/nftables/edgewarden-remove.nft
  make_folder /etc/edgewarden/nftables.d
  put "$here/systemd/edgewarden-firewall.service" /etc/systemd/system/edgewarden-firewall.service
  enable_unit edgewarden-firewall.service
}

# The Pi's firmware switches the memory controller off, and MemoryMax= with it.
memory_limit_part() {
  local path=/boot/firmware/cmdline.txt
  if [ ! -f "$root$path" ] || grep -qw cgroup_enable=memory "$root$path"; then return 0; fi
  sed '1s/[[:space:]]*$/ cgroup_enable=memory/' "$root$path" >"$scratch/cmdline.txt"
  put "$scratch/cmdline.txt" "$path" "$(stat -c %a "$root$path")"
}

choose_device_id() {
  if [ -z "$device_id" ] && [ -r "$root/etc/hostname" ]; then
    device_id=$(tr '[:upper:]' '[:lower:]' <"$root/etc/hostname" | tr -cd 'a-z0-9_-')
  fi
  device_id=${device_id:-pi-1}
  [[ $device_id =~ ^[a-z0-9][a-z0-9_-]{0,62}$ ]] ||
    refuse "device id $device_id: small letters, digits, - and _ only"
}

agent_part() {
  local settings=$firmware/etc/agent.toml drop_ins=/etc/systemd/system/edgewarden-agent.service.d
  choose_device_id
  if [ -n "$profile" ]; then
    settings=$firmware/profiles/$profile/agent.toml
    put "$firmware/profiles/$profile/10-profile.conf" "$drop_ins/10-profile.conf"
  fi
  sed "s/^device_id = .*/device_id = \"$device_id\"/" "$settings" >"$scratch/agent.toml"
  put_once "$scratch/agent.toml" /etc/edgewarden/agent.toml
  make_folder /etc/edgewarden/credentials 700
  make_folder /etc/edgewarden/credentials/agent 700
  put "$firmware/sysctl/90-edgewarden.conf" /etc/sysctl.d/90-edgewarden.conf
  put "$firmware/udev/90-edgewarden-bridge.rules" /etc/udev/rules.d/90-edgewarden-bridge.rules
  put "$firmware/systemd/90-edgewarden-watchdog.conf" /etc/systemd/system.conf.d/90-edgewarden.conf
  put "$firmware/systemd/90-edgewarden-journald.conf" /etc/systemd/journald.conf.d/90-edgewarden.conf
  put "$here/systemd/edgewarden-agent.service" /etc/systemd/system/edgewarden-agent.service
  enable_unit edgewarden-agent.service
}

aggregator_part() {
  put_once "$firmware/etc/aggregator.toml" /etc/edgewarden/aggregator.toml
  make_folder /etc/edgewarden/credentials 700
  make_folder /etc/edgewarden/credentials/aggregator 700
  make_folder /etc/edgewarden/tls
  put "$firmware/mosquitto/edgewarden.acl" /etc/edgewarden/mosquitto/edgewarden.acl
  put "$firmware/mosquitto/edgewarden.conf" /etc/mosquitto/conf.d/edgewarden.conf
  if $firewall; then
    put "$firmware/nftables/edgewarden-aggregator.nft" /etc/edgewarden/nftables.d/edgewarden-aggregator.nft
  fi
  put "$here/systemd/edgewarden-aggregator.service" /etc/systemd/system/edgewarden-aggregator.service
  enable_unit edgewarden-aggregator.service
}

is_live() {
  [ -z "$root" ] && ! $check && [ -d /run/systemd/system ]
}

apply() {
  if $firewall; then firewall_part; fi
  if $network; then network_part; fi
  memory_limit_part
  "${role}_part"
  if is_live && [ "$changes" -gt 0 ]; then
    systemctl daemon-reload
    printf 'Put the credentials in place, look through /etc/edgewarden/*.toml, then reboot.\n'
  fi
}

# --- taking it back --------------------------------------------------------------------------

restore() { # PATH
  rm -f "$root$1"
  cp -a "$memory/backup$1" "$root$1"
}

disable() { # UNIT
  systemctl --quiet --root="${root:-/}" disable "$1"
}

free_name() { # PATH: prints the first of PATH.edited, PATH.edited.1 … that nothing has yet
  local name=$1.edited number=0
  while [ -e "$root$name" ] || [ -L "$root$name" ]; do
    number=$((number + 1))
    name=$1.edited.$number
  done
  echo "$name"
}

set_aside() { # PATH NAME
  mv "$root$1" "$root$2"
}

undo_file() { # PATH
  local aside
  if [ ! -e "$root$1" ]; then return 0; fi
  if [ "$(hash_of "$root$1")" != "${hashes[$1]}" ]; then
    # Without the certificates that it names mosquitto would not start: it reads *.conf alone.
    case $1 in
      /etc/mosquitto/*.conf)
        aside=$(free_name "$1")
        act "set $1 aside as $aside" set_aside "$1" "$aside"
        if ! $check && [ "${kinds[$1]}" = replaced ]; then restore "$1"; fi
        ;;
    esac
    keep "$1" "edited since"
  elif [ "${kinds[$1]}" = made ]; then
    act "remove $1" rm "$root$1"
  else
    act "restore $1" restore "$1"
  fi
}

undo_folder() { # PATH
  if [ ! -d "$root$1" ]; then return 0; fi
  if $check; then
    act "remove $1/ if nothing is left in it" true
  elif ! rmdir "$root$1" 2>/dev/null; then
    keep "$1/" "not empty"
  else
    changes=$((changes + 1))
    printf 'remove %s/\n' "$1"
  fi
}

# The agent before the packet filter: it would put back whom the filter's stop let go.
stop_units() {
  local index
  for ((index = ${#paths[@]} - 1; index >= 0; index--)); do
    case ${paths[index]} in edgewarden-*.service) systemctl stop "${paths[index]}" ;; esac
  done
  # What the agent cut off holds on without it, and without our packet filter nobody removes its table.
  if ! nft -f "$firmware/nftables/edgewarden-remove.nft"; then
    printf 'look for our tables: nft list tables\n' >&2
  fi
}

undo_all() {
  local index path
  if is_live; then stop_units; fi
  for ((index = ${#paths[@]} - 1; index >= 0; index--)); do
    path=${paths[index]}
    case ${kinds[$path]} in
      unit) act "disable $path" disable "$path" ;;
      folder) undo_folder "$path" ;;
      *) undo_file "$path" ;;
    esac
  done
  if $check; then return 0; fi
  rm -f "$manifest"
  # Backups of files that were edited since stay, for their owner to compare.
  if [ "$kept" -eq 0 ]; then rm -rf "$memory"; fi
  if is_live; then systemctl daemon-reload; fi
}

load_manifest
if $undo; then undo_all; else apply; fi
if [ "$changes" -eq 0 ]; then printf 'nothing to change\n'; fi
if $check && [ "$changes" -gt 0 ]; then exit 1; fi
