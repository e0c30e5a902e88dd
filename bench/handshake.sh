#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# handshake.sh BUILD_DIR: what tlsgraft adds to a mutual handshake, in instructions that the server executes.
#
# One process of each server, two ways: certificate and verification by the server's own configuration, and the same
# injected by tlsgraft. callgrind counts instructions; the cost of one handshake is the slope between two numbers of
# handshakes, so that starting and stopping cancel out. Status 1 where any ratio of full handshakes is above LIMIT.
#
# SERVERS, KEY_TYPES, VERSIONS and KINDS choose the cells; FEW and MANY are the numbers of handshakes.
set -eu

BUILD=$(cd "${1:?usage: handshake.sh BUILD_DIR}" && pwd)
LIMIT=${LIMIT:-1.01}
FEW=${FEW:-50}
MANY=${MANY:-150}
SERVERS=${SERVERS:-nginx haproxy apache redis}
KEY_TYPES=${KEY_TYPES:-rsa:2048 ec:P-256}
VERSIONS=${VERSIONS:-1.2 1.3}
KINDS=${KINDS:-full resumed}

ROOT=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/servers.sh
. "$ROOT/bench/servers.sh"
folder=$(mktemp -d)
server=
clean_up() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
cd "$folder"
# Redis brings jemalloc, which gives memory back as time passes (jemalloc(3), opt.dirty_decay_ms): nothing to count here.
export MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1
cc -D_GNU_SOURCE -O2 -o handshakes "$ROOT/bench/handshakes.c" -lssl -lcrypto

port=${PORT:-29443}

# instructions SERVER WAY CERTS VERSION KIND COUNT: of one whole life of the server with so many handshakes.
instructions() {
    rm -f callgrind.*
    set -- "$1" "$2" "$3" "$4" "$5" "$6" "$(server_command "$1" "$folder/$1-$2-$3.conf")"
    # By hand rather than by `run`: the launcher of valgrind is not what is measured.
    (
        if [ "$2" = injected ]; then export LD_PRELOAD="$BUILD/lib/libtlsgraft.so" TLSGRAFT_CONFIG="$folder/$3.ini"; fi
        # shellcheck disable=SC2086 # words on purpose
        exec valgrind --tool=callgrind --callgrind-out-file=callgrind.out --log-file=callgrind.log $7 >server.log 2>&1
    ) &
    server=$!
    ./handshakes "$port" "$3/client.pem" "$3/client.key" "$4" "$6" "$5" || {
        cat callgrind.log server.log >&2
        kill "$server"
        return 1
    }
    # Again and again: a signal that comes just before a server waits for events is not looked at before the next one.
    while kill "$server" 2>/dev/null; do sleep 0.2; done
    wait "$server" || true
    server=
    sed -n 's/^totals: *\([0-9]*\).*/\1/p' callgrind.out
}

# slope SERVER WAY CERTS VERSION KIND
slope() {
    slope_few=$(instructions "$@" "$FEW")
    slope_many=$(instructions "$@" "$MANY")
    echo $(((slope_many - slope_few) / (MANY - FEW)))
}

for type in $KEY_TYPES; do
    certs=certs-$(echo "$type" | tr : -)
    KEY_TYPE=$type "$ROOT/examples/certs/gen.sh" "$certs" >/dev/null
    KEY_TYPE=$type CA_NAME=Other "$ROOT/examples/certs/gen.sh" "$certs-own" >/dev/null
    for name in $SERVERS; do
        server_write "$name" "$name-own-$certs.conf" "$folder" "$port" "$folder/$certs" "$folder/$certs/ca.pem"
        server_write "$name" "$name-injected-$certs.conf" "$folder" "$port" "$folder/$certs-own" ""
    done
    cat >"$certs.ini" <<CONFIG
[tlsgraft]
log_level = error
[server]
mode = mutual
cert = $certs/server.pem
key = $certs/server.key
ca = $certs/ca.pem
CONFIG
done

worst=0
printf '%-8s %-10s %-4s %-8s %12s %12s  %s\n' server key TLS handshake own injected ratio
for name in $SERVERS; do
    for type in $KEY_TYPES; do
        certs=certs-$(echo "$type" | tr : -)
        for version in $VERSIONS; do
            for kind in $KINDS; do
                own=$(slope "$name" own "$certs" "$version" "$kind")
                injected=$(slope "$name" injected "$certs" "$version" "$kind")
                ratio=$(awk "BEGIN { printf \"%.4f\", $injected / $own }")
                printf '%-8s %-10s %-4s %-8s %12d %12d  %s\n' "$name" "$type" "$version" "$kind" "$own" "$injected" "$ratio"
                if [ "$kind" = full ]; then worst=$(awk "BEGIN { print ($ratio > $worst) ? $ratio : $worst }"); fi
            done
        done
    done
done
echo "worst ratio of full handshakes $worst, limit $LIMIT"
awk "BEGIN { exit !($worst <= $LIMIT) }"
