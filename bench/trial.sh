#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# trial.sh BUILD_DIR: what it costs to try a section before it is published (loader/trial_server.h, loader/trial_clients.h).
#
# SECTIONS mutual listeners, each with a certificate of its own: milliseconds of a processor for a load that tries all of them, of a reload of
# the same files, which tries nothing, and the difference for one section. Then a hundred sections.
set -eu

BUILD=$(cd "${1:?usage: trial.sh BUILD_DIR}" && pwd)
SECTIONS=${SECTIONS:-5}
ROUNDS=${ROUNDS:-11}

ROOT=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
cd "$folder"
umask 077
cc -D_GNU_SOURCE -O2 -I "$ROOT/include" -o trial "$ROOT/bench/trial.c" -L "$BUILD/lib" -Wl,-rpath,"$BUILD/lib" -ltlsgraft-loader
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key 2>/dev/null
openssl req -x509 -new -key ca.key -subj "/CN=CA" -days 30 -addext keyUsage=critical,keyCertSign,cRLSign -out ca.pem

# make COUNT WORD...: files 1.pem, 1.key ... and site.ini; the words say which key.
make() {
    count=$1
    shift
    : >site.ini
    n=1
    while [ "$n" -le "$count" ]; do
        openssl genpkey "$@" -out "$n.key" 2>/dev/null
        openssl req -new -key "$n.key" -subj "/CN=$n" -addext "subjectAltName=DNS:$n.example" -out request.pem
        openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 20 -set_serial "$n" -copy_extensions copy -out "$n.pem" 2>/dev/null
        printf '[listener l%s]\nlisten = 127.0.0.1:%s\nmode = mutual\ncert = %s.pem\nkey = %s.key\nca = ca.pem\n' \
            "$n" $((10000 + n)) "$n" "$n" >>site.ini
        n=$((n + 1))
    done
}

# measure NAME COUNT
measure() {
    ./trial site.ini "$2" "$ROUNDS" >figures
    read -r load reload each <figures
    printf '%-14s %9s %10s %10s %14s\n' "$1" "$2" "$load" "$reload" "$each"
}

printf '%-14s %9s %10s %10s %14s\n' '' sections 'load ms' 'reload ms' 'each trial ms'
make "$SECTIONS" -algorithm RSA -pkeyopt rsa_keygen_bits:2048
measure 'RSA 2048' "$SECTIONS"
make "$SECTIONS" -algorithm RSA -pkeyopt rsa_keygen_bits:4096
measure 'RSA 4096' "$SECTIONS"
make "$SECTIONS" -algorithm ED25519
measure 'Ed25519' "$SECTIONS"
make "$SECTIONS" -algorithm EC -pkeyopt ec_paramgen_curve:P-256
measure 'P-256' "$SECTIONS"
make 100 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
measure 'P-256' 100
