#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# plaintext.sh BUILD_DIR: TLS for servers that have none, against TLS terminators in front of them and their own TLS.
#
# Everything with mutual TLS 1.3, TLS_AES_128_GCM_SHA256 and the same certificates, from one load generator:
#
#   plaintext             the server on TCP, without TLS: the reference
#   own                   the server's own TLS
#   stunnel, hitch-N, haproxy-N   in front of the server on a UNIX socket; N workers or threads, stunnel a thread a client
#   direct, relay         tlsgraft, by either engine
#
# All are up at once and asked in turn, ROUNDS times, in another order each round; a value is the median over the rounds,
# a ratio the median of the rounds' ratios. "CPU s/M" is the processor time of all processes on the server's side for a
# million requests, "busy" how much of a processor they used, "load" how much the load generator did.
#
# PLACE says where all that runs. free: wherever the kernel puts it, so that a proxy's second thread has a processor to run
# on, as on the machine of someone who has one to spare; on two processors the load generator takes its part of them from
# whichever way needs both. apart: the load generator has the last processor to itself, and the server's side, proxies and
# their threads included, has the first one: what each way makes of the same processor. Without hitch-2 then: hitch gives
# several workers processors of their own, whatever it was started on.
#
# MTU: of a loopback device in a network namespace of its own, where all of it runs then (root): with 1500 the kernel cuts
# what is sent into packets as for a container or another machine. Else it is the machine's own, of 64 KiB.
#
# CELLS, SUBJECTS, ROUNDS and DURATION (seconds of each measurement) choose what is measured; ROWS is a file that gets the
# single measurements, too. Status 1 where a target is
# missed, each with a line that says why.
set -eu

if [ -n "${MTU:-}" ]; then
    # shellcheck disable=SC2016 # for the other shell
    exec unshare --net sh -c 'ip link set lo mtu "$1" up && MTU= && export MTU && shift && exec "$0" "$@"' "$0" "$MTU" "$@"
fi
BUILD=$(cd "${1:?usage: plaintext.sh BUILD_DIR}" && pwd)
ROUNDS=${ROUNDS:-5}
DURATION=${DURATION:-1}
PLACE=${PLACE:-free}
SUBJECTS=${SUBJECTS:-plaintext own stunnel hitch-1 hitch-2 haproxy-1 haproxy-2 direct relay}
CELLS=${CELLS:-redis-64-50-1 redis-64-50-16 redis-64-1000-1 redis-64-1000-16 redis-16k-50-1 redis-16k-50-16
    redis-16k-1000-1 redis-16k-1000-16 redis-new-full redis-new-resumed memcached-64-50-1 nginx-1k nginx-100k nginx-10m}
KEY_TYPE=${KEY_TYPE:-ec:P-256}
port=${PORT:-29743}

missing=
for program in redis-server memcached nginx stunnel4 hitch haproxy; do
    if ! command -v "$program" >/dev/null; then missing="$missing $program"; fi
done
if [ -n "$missing" ]; then
    echo "plaintext.sh: not installed:$missing; a comparison without them would be none" >&2
    exit 69
fi

ROOT=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/servers.sh
. "$ROOT/bench/servers.sh"
# shellcheck source=bench/peers.sh
. "$ROOT/bench/peers.sh"

case $PLACE in
free)
    on_first=
    on_last=
    ;;
apart)
    on_first="taskset -c 0"
    on_last="taskset -c $(($(nproc) - 1))"
    SUBJECTS=$(for one in $SUBJECTS; do [ "$one" = hitch-2 ] || echo "$one"; done)
    ;;
*)
    echo "PLACE: free or apart" >&2
    exit 64
    ;;
esac

folder=$(mktemp -d)
chmod 755 "$folder"
pids=
report() {
    if [ -n "${ROWS:-}" ]; then cat rows >>"$ROWS"; fi
    awk -v TITLES=titles -f "$ROOT/bench/plaintext.awk" rows
}
clean_up() {
    stop_all
    rm -rf "$folder"
}
# The proxies first: nobody is left without the server behind.
stop_all() {
    for one in $pids; do kill "$one" 2>/dev/null || true; done
    for one in $pids; do wait "$one" 2>/dev/null || true; done
    pids=
}
trap clean_up EXIT
# Who has waited enough sees what there is.
trap 'report || true; exit 130' INT TERM
cd "$folder"
# shellcheck disable=SC3045 # dash and bash have it
ulimit -n 16384
cc -D_GNU_SOURCE -O2 -o requests "$ROOT/bench/requests.c" "$ROOT/bench/samples.c" -lssl -lcrypto
KEY_TYPE=$KEY_TYPE "$ROOT/examples/certs/gen.sh" certs >/dev/null
chmod 644 certs/*
mkdir -m 777 run
mkdir www
letters() { head -c "$1" /dev/zero | tr '\0' x; }
{ letters 1023 && printf z; } >www/1k
{ letters 102399 && printf z; } >www/100k
{ letters 10485759 && printf z; } >www/10m

# start NAME COMMAND...: sets started.
start() {
    log=$1.log
    shift
    "$@" >>"$log" 2>&1 &
    started=$!
    pids="$started $pids"
}

# grafted ENGINE NAME PORT: the server under tlsgraft; sets started.
grafted() {
    cat >"$1.ini" <<CONFIG
[tlsgraft]
log_level = error
[listener plain]
listen = 127.0.0.1:$3
server_speaks = plaintext
engine = $1
mode = mutual
cert = certs/server.pem
key = certs/server.key
ca = certs/ca.pem
CONFIG
    chmod 600 certs/*.key
    plain_write "$2" "$2-$1.conf" "$folder" "$3" "$folder/run/$2-$1.sock"
    # shellcheck disable=SC2046,SC2086 # words on purpose
    start "$1" $on_first "$BUILD/bin/tlsgraft" run -c "$1.ini" -- $(server_command "$2" "$folder/$2-$1.conf")
}

# start_subjects NAME: the server in all its ways; notes port and processes of each in port-SUBJECT and pids-SUBJECT.
start_subjects() {
    next=$port
    rm -f port-* pids-*
    plain_write "$1" "$1.conf" "$folder" "$port" "$folder/run/$1.sock"
    # shellcheck disable=SC2046,SC2086 # words on purpose
    start plaintext $on_first $(server_command "$1" "$folder/$1.conf")
    behind=$started
    echo "$port" >port-plaintext
    echo "-p $started" >pids-plaintext
    if [ "$1" = memcached ]; then
        # It has a port or a UNIX socket, never both.
        plain_write "$1" "$1-socket.conf" "$folder" "" "$folder/run/$1.sock"
        # shellcheck disable=SC2046,SC2086 # words on purpose
        start socket $on_first $(server_command "$1" "$folder/$1-socket.conf")
        behind=$started
    fi
    tries=0
    until [ -S "$folder/run/$1.sock" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            cat ./*.log >&2
            exit 1
        fi
        sleep 0.05
    done
    for subject in $SUBJECTS; do
        next=$((next + 1))
        case $subject in
        plaintext) continue ;;
        own)
            server_write "$1" "$1-own.conf" "$folder" "$next" "$folder/certs" "$folder/certs/ca.pem"
            # shellcheck disable=SC2046,SC2086 # words on purpose
            start "$subject" $on_first $(server_command "$1" "$folder/$1-own.conf")
            echo "-p $started" >"pids-$subject"
            ;;
        direct | relay)
            grafted "$subject" "$1" "$next"
            echo "-p $started" >"pids-$subject"
            ;;
        *)
            peer_write "$subject" "$subject.conf" "$next" "$folder/run/$1.sock" "$folder/certs"
            # shellcheck disable=SC2046,SC2086 # words on purpose
            start "$subject" $on_first $(peer_command "$subject" "$folder/$subject.conf")
            echo "-p $started -p $behind" >"pids-$subject"
            ;;
        esac
        echo "$next" >"port-$subject"
    done
    for subject in $SUBJECTS; do await "$1" "$subject"; done
}

# ask SUBJECT OPTION... REQUEST BODY TAIL: one run of the load generator.
ask() {
    asked=$1
    shift
    tls="-C certs/client.pem -K certs/client.key"
    if [ "$asked" = plaintext ]; then tls=; fi
    options=
    while [ $# -gt 3 ]; do
        options="$options $1"
        shift
    done
    # shellcheck disable=SC2046,SC2086 # words on purpose
    $on_last ./requests $options $tls $(cat "pids-$asked") "$(cat "port-$asked")" "$@"
}

# await NAME SUBJECT: until it serves; what will be asked for is stored then.
await() {
    tries=0
    until case $1 in
        redis) ask "$2" -c 1 -s 0 "SET small $(letters 64)\r\n" 3 '\r\n' && ask "$2" -c 1 -s 0 "SET large $(letters 16384)\r\n" 3 '\r\n' ;;
        memcached) ask "$2" -c 1 -s 0 "set small 0 0 64\r\n$(letters 64)\r\n" 6 '\r\n' ;;
        *) ask "$2" -c 1 -s 0 "$(page 1k)" 1023 z ;;
        esac >/dev/null 2>"$2.refused"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 50 ]; then
            echo "$1, $2: does not serve" >&2
            cat "$2.refused" "$2.log" >&2
            exit 1
        fi
        sleep 0.1
    done
    case $2 in
    direct | relay)
        keeper=$("$BUILD/bin/tlsgraft" status --json "$(cut -d" " -f2 "pids-$2")" | tr -d ' \t\n' | sed 's/.*"keeper":{"pid":\([0-9]*\).*/\1/')
        echo "$(cat "pids-$2") -p $keeper" >"pids-$2.new"
        mv "pids-$2.new" "pids-$2"
        ;;
    esac
}

page() { printf 'GET /%s HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' "$1"; }

# measure CELL SUBJECT
measure() {
    case $1 in
    redis-64-*) set -- "$2" "GET small\r\n" 64 '\r\n' "$1" ;;
    redis-16k-*) set -- "$2" "GET large\r\n" 16384 '\r\n' "$1" ;;
    redis-new-*) set -- "$2" "PING\r\n" 4 '\r\n' "$1" ;;
    memcached-64-*) set -- "$2" "get small\r\n" 64 'END\r\n' "$1" ;;
    nginx-1k) set -- "$2" "$(page 1k)" 1023 z nginx-1k-50-1 ;;
    nginx-100k) set -- "$2" "$(page 100k)" 102399 z nginx-100k-50-1 ;;
    nginx-10m) set -- "$2" "$(page 10m)" 10485759 z nginx-10m-8-1 ;;
    esac
    case $5 in
    *-new-*) ask "$1" -s "$DURATION" -c 16 -n "${5##*-}" "$2" "$3" "$4" ;;
    *)
        depth=${5##*-}
        clients=${5%-*}
        ask "$1" -s "$DURATION" -c "${clients##*-}" -d "$depth" "$2" "$3" "$4"
        ;;
    esac
}

for cell in $CELLS; do
    case $cell in
    redis-new-*) text="Redis, new connections with a ${cell##*-} handshake and one PING, 16 at once" ;;
    redis-*-16 | redis-*-1)
        clients=${cell%-*}
        text="Redis GET $(echo "$cell" | cut -d- -f2) bytes, ${clients##*-} clients, ${cell##*-} requests at once"
        ;;
    memcached-64-50-1) text="memcached get 64 bytes, 50 clients, 1 request at once" ;;
    nginx-1k | nginx-100k) text="nginx, a file of ${cell#nginx-}, 50 clients" ;;
    nginx-10m) text="nginx, a file of 10m, 8 clients" ;;
    *)
        echo "CELLS: there is no $cell" >&2
        exit 64
        ;;
    esac
    echo "$cell $text"
done >titles

echo "$(nproc) processors, PLACE=$PLACE, packets of $(ip link show lo | sed -n 's/.* mtu \([0-9]*\) .*/\1/p') bytes, $KEY_TYPE, $ROUNDS rounds of $DURATION s; $(openssl version)"
echo "load of the machine before: $(cut -d' ' -f1-3 /proc/loadavg)"
for server in redis memcached nginx; do
    if ! grep -q "^$server-" titles; then continue; fi
    start_subjects "$server"
    round=0
    order=$SUBJECTS
    while [ "$round" -lt "$ROUNDS" ]; do
        round=$((round + 1))
        for cell in $CELLS; do
            case $cell in
            "$server"-*) ;;
            *) continue ;;
            esac
            for subject in $order; do
                if values=$(measure "$cell" "$subject" 2>refused); then
                    echo "$cell $subject $round $values" >>rows
                else
                    echo "$cell, $subject: $(head -n 1 refused)" >&2
                fi
            done
        done
        # The first one becomes the last.
        # shellcheck disable=SC2086 # words on purpose
        order=$(set -- $order && first=$1 && shift && echo "$@" "$first")
    done
    stop_all
done
report
