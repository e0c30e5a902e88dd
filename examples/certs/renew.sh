#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# renew.sh [FOLDER [server|client|both]]: a new key and a new certificate, with the names of the old one, under the
# existing CA. Each file is replaced in one step, so that no reader ever sees half of one.
set -eu

FOLDER=${1:-certs}
WHAT=${2:-server}

DAYS=${DAYS:-365}            # how long the new certificate is valid
KEY_TYPE=${KEY_TYPE:-}       # rsa:2048, ec:P-256, ed25519 ...; empty: like the old key
EXTRA_DNS=${EXTRA_DNS:-}     # DNS names to add, separated by spaces

# shellcheck source=examples/certs/lib.sh
. "$(dirname "$0")/lib.sh"

renew() {
    type=${KEY_TYPE:-$(key_type_of "$1.key")}
    subject=$(openssl x509 -in "$1.pem" -noout -subject -nameopt utf8,sep_multiline,space_eq,sname | sed -n 's/^  *//p')
    san=$(openssl x509 -in "$1.pem" -noout -ext subjectAltName | sed -n '$s/^ *//; $s/IP Address:/IP:/g; $s/, /,/g; $p')
    for name in $EXTRA_DNS; do san=$san,DNS:$name; done

    new_key "$type" "$1.key.new"
    sign "$1" "$subject" "$san" "$DAYS" "$1.key.new" "$1.pem.new"

    # For a moment certificate and key do not belong together, whichever goes first: a reload that looks just then
    # waits for the other (tlsgraft: up to 3 seconds) before it gives up.
    mv -f "$1.key.new" "$1.key"
    mv -f "$1.pem.new" "$1.pem"
    echo "$FOLDER/$1.pem: $(openssl x509 -in "$1.pem" -noout -serial -enddate | tr '\n' ' ')"
}

cd "$FOLDER"
case $WHAT in
server | client) renew "$WHAT" ;;
both)
    renew server
    renew client
    ;;
*)
    echo "renew.sh: '$WHAT': use server, client or both" >&2
    exit 64
    ;;
esac
