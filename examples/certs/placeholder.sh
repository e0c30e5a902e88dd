#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# placeholder.sh [FOLDER]: a self-signed certificate for servers that read their certificate themselves and do not start
# without one (nginx, HAProxy, lighttpd, stunnel, hitch, PostgreSQL, FreeRADIUS, ProFTPD, Dovecot, gunicorn, coturn), while
# tlsgraft's sections say what they serve. Nobody trusts it, it names no host, its key is its own: it is there to be read.
# Makes placeholder.key, placeholder.pem and placeholder.both.pem (certificate and key); refuses to overwrite any of them.
set -eu

FOLDER=${1:-certs}

KEY_TYPE=${KEY_TYPE:-rsa:2048}             # rsa:2048, rsa:3072, ec:P-256, ed25519 ...
DAYS=${DAYS:-3650}                         # how long it is valid: some servers warn of an expired one
OWNER=${OWNER:-}                           # user or user:group that the server reads it as, where it is not root

# shellcheck source=examples/certs/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -p "$FOLDER"
cd "$FOLDER"
for file in placeholder.key placeholder.pem placeholder.both.pem; do
    if [ -e "$file" ]; then
        echo "$FOLDER/$file: exists already" >&2
        exit 73
    fi
done

new_key "$KEY_TYPE" placeholder.key
openssl req -x509 -new -key placeholder.key -out placeholder.pem -days "$DAYS" -sha256 -utf8 -config /dev/stdin <<CONFIG
[req]
prompt = no
string_mask = utf8only
distinguished_name = subject
x509_extensions = extensions
[subject]
CN = placeholder that is never served
O = tlsgraft
[extensions]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
CONFIG
(umask 077 && cat placeholder.pem placeholder.key >placeholder.both.pem)
if [ -n "$OWNER" ]; then chown "$OWNER" placeholder.key placeholder.pem placeholder.both.pem; fi

echo "$FOLDER: $KEY_TYPE, placeholder, valid for $DAYS days"
