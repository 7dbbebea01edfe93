#!/usr/bin/env bash
# The small certificate authority of one installation: who the broker is, and who each device is.
# Keep its folder on a computer that is neither the broker nor a Pi.
set -euo pipefail
umask 077

usage() {
  cat <<'TEXT'
usage: issue.sh FOLDER ca                     make the authority (once)
       issue.sh FOLDER broker NAME...         a certificate for the broker's DNS names and addresses
       issue.sh FOLDER aggregator             the aggregator's client certificate
       issue.sh FOLDER device DEVICE_ID       a device's client certificate
       issue.sh FOLDER revoke DEVICE_ID       refuse that certificate from now on (lost, stolen)

What to copy lies in FOLDER/NAME/. crl.pem, for the broker, is written anew by every command.
TEXT
}

refuse() {
  printf 'issue.sh: %s\n' "$*" >&2
  exit 2
}

[ $# -ge 2 ] || { usage >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
what=$2
shift 2

days_authority=7300 days_certificate=1825

configuration() { # EXTENSION_LINES
  cat <<TEXT
[ca]
default_ca = edgewarden
[edgewarden]
dir = $folder
database = $folder/index.txt
new_certs_dir = $folder/issued
certificate = $folder/ca.crt
private_key = $folder/ca.key
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = $days_certificate
default_crl_days = $days_authority
policy = name_only
x509_extensions = leaf
copy_extensions = none
[name_only]
commonName = supplied
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
$1
TEXT
}

new_key() { # FILE
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

write_crl() {
  openssl ca -batch -config <(configuration '') -gencrl -out "$folder/crl.pem" 2>/dev/null
  chmod 644 "$folder/crl.pem"
}

make_authority() {
  [ ! -e "$folder/ca.key" ] || refuse "$folder already holds an authority"
  mkdir -p "$folder/issued"
  : >"$folder/index.txt"
  new_key "$folder/ca.key"
  openssl req -x509 -new -key "$folder/ca.key" -sha256 -days "$days_authority" \
    -subj "/CN=Edgewarden authority" \
    -addext "basicConstraints=critical,CA:true,pathlen:0" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$folder/ca.crt"
  chmod 644 "$folder/ca.crt"
  write_crl
}

issue() { # FOLDER_NAME COMMON_NAME FILE_STEM EXTENSION_LINES
  [ -e "$folder/ca.key" ] || refuse "no authority in $folder: issue.sh FOLDER ca"
  local out=$folder/$1
  [ ! -e "$out/$3.key" ] || case $3 in
    client) refuse "$out/$3.key exists: first revoke $1, or move $out away" ;;
    *) refuse "$out/$3.key exists: move $out away first" ;;
  esac
  mkdir -p "$out"
  new_key "$out/$3.key"
  openssl req -new -key "$out/$3.key" -subj "/CN=$2" -out "$out/$3.csr"
  openssl ca -batch -notext -config <(configuration "$4") \
    -in "$out/$3.csr" -out "$out/$3.crt" 2>"$out/$3.log" || refuse "$(cat "$out/$3.log")"
  rm "$out/$3.csr" "$out/$3.log"
  cp "$folder/ca.crt" "$out/ca.crt"
  write_crl
}

alternative_names() { # NAME...
  local name separator=''
  for name in "$@"; do
    case $name in
      *[!0-9.:a-fA-F]*) printf '%sDNS:%s' "$separator" "$name" ;;
      *[.:]*) printf '%sIP:%s' "$separator" "$name" ;;
      *) printf '%sDNS:%s' "$separator" "$name" ;;
    esac
    separator=,
  done
}

check_device_id() {
  [[ $1 =~ ^[a-z0-9][a-z0-9_-]{0,62}$ ]] || refuse "device id: small letters, digits, - and _"
  # The broker's rules give these two names more than a device may have.
  case $1 in aggregator | broker) refuse "$1 is no name for a device" ;; esac
}

case $what in
  ca) make_authority ;;
  broker)
    [ $# -ge 1 ] || refuse "which names do clients know the broker by?"
    issue broker broker broker "extendedKeyUsage = serverAuth
subjectAltName = $(alternative_names "$@")"
    ;;
  aggregator) issue aggregator aggregator client "extendedKeyUsage = clientAuth" ;;
  device)
    [ $# -eq 1 ] || refuse "which device?"
    check_device_id "$1"
    issue "$1" "$1" client "extendedKeyUsage = clientAuth"
    ;;
  revoke)
    [ $# -eq 1 ] || refuse "which device?"
    openssl ca -batch -config <(configuration '') -revoke "$folder/$1/client.crt" 2>/dev/null ||
      refuse "no certificate of $1 in $folder, or it is revoked already"
    write_crl
    mv "$folder/$1" "$folder/$1.revoked-$(date -u +%Y%m%dT%H%M%SZ)"
    ;;
  *) usage >&2; exit 2 ;;
esac
