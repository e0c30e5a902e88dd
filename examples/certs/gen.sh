#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# gen.sh [FOLDER]: a certificate authority, a server and a client certificate of it, for tests and trials.
# Makes ca.key ca.pem ca.srl server.key server.pem client.key client.pem; refuses to overwrite any of them.
# Every value below can also be given in the environment: KEY_TYPE=ec:P-256 EXTRA_DNS="a.example b.example" ./gen.sh certs
set -eu

FOLDER=${1:-certs}

KEY_TYPE=${KEY_TYPE:-rsa:2048}             # rsa:2048, rsa:3072, ec:P-256, ed25519 ...
CA_KEY_TYPE=${CA_KEY_TYPE:-$KEY_TYPE}

CA_NAME=${CA_NAME:-Example CA}             # common names
SERVER_NAME=${SERVER_NAME:-localhost}      # also the first DNS name of the server certificate
CLIENT_NAME=${CLIENT_NAME:-client}
EXTRA_DNS=${EXTRA_DNS:-}                   # more DNS names for the server certificate, separated by spaces
EXTRA_IP=${EXTRA_IP-127.0.0.1 ::1}         # its IP addresses
CLIENT_URI=${CLIENT_URI:-}                 # a URI name for the client certificate, say spiffe://example/ns/web/1

CA_DAYS=${CA_DAYS:-3650}                   # how long they are valid
DAYS=${DAYS:-365}

# shellcheck source=examples/certs/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -p "$FOLDER"
cd "$FOLDER"
for file in ca.key ca.pem ca.srl server.key server.pem client.key client.pem; do
    if [ -e "$file" ]; then
        echo "$FOLDER/$file: exists already; renew.sh makes new certificates under an existing CA" >&2
        exit 73
    fi
done

server_san=DNS:$SERVER_NAME
for name in $EXTRA_DNS; do server_san=$server_san,DNS:$name; done
for address in $EXTRA_IP; do server_san=$server_san,IP:$address; done
client_san=DNS:$CLIENT_NAME
if [ -n "$CLIENT_URI" ]; then client_san=$client_san,URI:$CLIENT_URI; fi

new_key "$CA_KEY_TYPE" ca.key
openssl req -x509 -new -key ca.key -out ca.pem -days "$CA_DAYS" -sha256 -utf8 -config /dev/stdin <<CONFIG
[req]
prompt = no
string_mask = utf8only
distinguished_name = subject
x509_extensions = extensions
[subject]
CN = $CA_NAME
[extensions]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CONFIG

new_key "$KEY_TYPE" server.key
sign server "CN = $SERVER_NAME" "$server_san" "$DAYS" server.key server.pem
new_key "$KEY_TYPE" client.key
sign client "CN = $CLIENT_NAME" "$client_san" "$DAYS" client.key client.pem

echo "$FOLDER: $KEY_TYPE, server $SERVER_NAME ($server_san), client $CLIENT_NAME, valid for $DAYS days"
