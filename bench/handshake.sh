#!/bin/sh
# handshake.sh BUILD_DIR: what tlsgraft adds to a full mutual handshake, in instructions that the server executes.
#
# nginx with one process, two ways: certificate and verification by nginx's own configuration, and the same injected by
# tlsgraft. callgrind counts instructions; the cost of one handshake is the slope between two numbers of handshakes, so
# that starting and stopping cancel out. Status 1 where any ratio is above LIMIT.
set -eu

BUILD=$(cd "${1:?usage: handshake.sh BUILD_DIR}" && pwd)
LIMIT=${LIMIT:-1.01}
FEW=${FEW:-50}       # handshakes of the shorter and of the longer run
MANY=${MANY:-150}
KEY_TYPES=${KEY_TYPES:-rsa:2048 ec:P-256}
VERSIONS=${VERSIONS:-1.2 1.3}

ROOT=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
server=
clean_up() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
cd "$folder"
cc -D_GNU_SOURCE -O2 -o handshakes "$ROOT/bench/handshakes.c" -lssl -lcrypto

port=${PORT:-29443}

# configuration FILE LINES: nginx with one process and the given certificate lines.
configuration() {
    cat >"$1" <<CONFIG
daemon off;
master_process off;
pid $folder/nginx.pid;
error_log $folder/error.log;
events { }
http {
    access_log off;
    client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f;
    uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
    server {
        listen 127.0.0.1:$port ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        $2
    }
}
CONFIG
}

# instructions WAY CERTS VERSION COUNT: of one whole life of the server with so many handshakes.
instructions() {
    rm -f callgrind.*
    if [ "$1" = injected ]; then
        # By hand rather than by `run`: the launcher of valgrind is not what is measured.
        LD_PRELOAD=$BUILD/lib/libtlsgraft.so TLSGRAFT_CONFIG=$folder/$2.ini \
            valgrind --tool=callgrind --callgrind-out-file=callgrind.out --log-file=callgrind.log \
            /usr/sbin/nginx -c "$folder/$1-$2.conf" -e "$folder/error.log" &
    else
        valgrind --tool=callgrind --callgrind-out-file=callgrind.out --log-file=callgrind.log \
            /usr/sbin/nginx -c "$folder/$1-$2.conf" -e "$folder/error.log" &
    fi
    server=$!
    ./handshakes "$port" "$2/client.pem" "$2/client.key" "$3" "$4" || {
        cat callgrind.log error.log >&2
        return 1
    }
    # Again and again: a signal that comes just before nginx waits for events is not looked at before the next one.
    while kill "$server" 2>/dev/null; do sleep 0.2; done
    wait "$server" || true
    server=
    sed -n 's/^totals: *\([0-9]*\).*/\1/p' callgrind.out
}

# slope WAY CERTS VERSION
slope() {
    slope_few=$(instructions "$1" "$2" "$3" "$FEW")
    slope_many=$(instructions "$1" "$2" "$3" "$MANY")
    echo $(((slope_many - slope_few) / (MANY - FEW)))
}

worst=0
printf '%-10s %-4s %14s %14s  %s\n' 'key' 'TLS' 'own' 'injected' 'ratio'
for type in $KEY_TYPES; do
    certs=certs-$(echo "$type" | tr : -)
    KEY_TYPE=$type "$ROOT/examples/certs/gen.sh" "$certs" >/dev/null
    KEY_TYPE=$type CA_NAME=Other "$ROOT/examples/certs/gen.sh" "$certs-own" >/dev/null
    configuration "own-$certs.conf" "ssl_certificate $folder/$certs/server.pem;
        ssl_certificate_key $folder/$certs/server.key;
        ssl_verify_client on; ssl_client_certificate $folder/$certs/ca.pem;"
    configuration "injected-$certs.conf" "ssl_certificate $folder/$certs-own/server.pem;
        ssl_certificate_key $folder/$certs-own/server.key;"
    cat >"$certs.ini" <<CONFIG
[tlsgraft]
log_level = error
[server]
mode = mutual
cert = $certs/server.pem
key = $certs/server.key
ca = $certs/ca.pem
CONFIG
    for version in $VERSIONS; do
        own=$(slope own "$certs" "$version")
        injected=$(slope injected "$certs" "$version")
        ratio=$(awk "BEGIN { printf \"%.4f\", $injected / $own }")
        printf '%-10s %-4s %14d %14d  %s\n' "$type" "$version" "$own" "$injected" "$ratio"
        worst=$(awk "BEGIN { print ($ratio > $worst) ? $ratio : $worst }")
    done
done
echo "worst ratio $worst, limit $LIMIT"
awk "BEGIN { exit !($worst <= $LIMIT) }"
