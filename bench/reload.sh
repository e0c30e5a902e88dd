#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# reload.sh BUILD_DIR: how long a renewed certificate takes to be served, and what running connections feel of it.
#
# Mutual TLS everywhere, ROUNDS renewals each, medians (of the longest wait: the worst). In milliseconds from the trigger:
# the first new connection that saw the new certificate, the last one that still saw the old, the longest wait of any of four
# running connections for an answer. Counts over all rounds: new connections that failed, running ones that were lost.
#
#   nginx + tlsgraft      `tlsgraft reload`, and the reload signal
#   nginx                 its own reload by SIGHUP
#   haproxy               its runtime API (set ssl cert, commit ssl cert); threads in place of workers
#   hitch, stunnel        SIGHUP, in front of nginx; stunnel has threads, not workers
set -eu

BUILD=$(cd "${1:?usage: reload.sh BUILD_DIR}" && pwd)
ROUNDS=${ROUNDS:-5}
WORKERS=${WORKERS:-2 16}
SUBJECTS=${SUBJECTS:-command signal nginx haproxy hitch stunnel}
port=${PORT:-29543}
backend_port=$((port + 1))

ROOT=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
chmod 755 "$folder"
server=
backend=
# end PID: and waits for it.
end() {
    if [ -n "$1" ]; then
        kill "$1" 2>/dev/null || true
        wait "$1" 2>/dev/null || true
    fi
}
clean_up() {
    end "$server"
    end "$backend"
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
cd "$folder"
cc -D_GNU_SOURCE -O2 -o renewal "$ROOT/bench/renewal.c" -lssl -lcrypto -lpthread
"$ROOT/examples/certs/gen.sh" certs >/dev/null
mkdir first second live
cp certs/server.pem certs/server.key first
"$ROOT/examples/certs/renew.sh" certs server >/dev/null
cp certs/server.pem certs/server.key second
for one in first second; do cat "$one/server.pem" "$one/server.key" >"$one/both.pem"; done

# publish first|second: each file replaced in one step.
publish() {
    for file in server.pem server.key both.pem; do
        cp "$1/$file" "live/$file.new"
        mv "live/$file.new" "live/$file"
    done
}

# nginx_write FILE WORKERS PORT LINES: LINES after "listen".
nginx_write() {
    cat >"$1" <<CONFIG
daemon off;
worker_processes $2;
pid $folder/$1.pid;
error_log $folder/error.log;
events { worker_connections 512; }
http {
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f;
    uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
    server { listen 127.0.0.1:$3 $4 location / { return 200 "ok\n"; } }
}
CONFIG
}

own_lines="ssl; ssl_certificate $folder/live/server.pem; ssl_certificate_key $folder/live/server.key;
    ssl_verify_client on; ssl_client_certificate $folder/certs/ca.pem;"

# start SUBJECT WORKERS: sets `server`.
start() {
    case $1 in
    command | signal)
        "$ROOT/examples/certs/gen.sh" own >/dev/null 2>&1 || true
        nginx_write site.conf "$2" "$port" "ssl; ssl_certificate $folder/own/server.pem; ssl_certificate_key $folder/own/server.key;"
        cat >site.ini <<CONFIG
[tlsgraft]
log_level = error
reload_signal = USR1
[server]
mode = mutual
cert = live/server.pem
key = live/server.key
ca = certs/ca.pem
CONFIG
        "$BUILD/bin/tlsgraft" run -c site.ini -- /usr/sbin/nginx -c "$folder/site.conf" -e "$folder/error.log" >>server.log 2>&1 &
        ;;
    nginx)
        nginx_write site.conf "$2" "$port" "$own_lines"
        /usr/sbin/nginx -c "$folder/site.conf" -e "$folder/error.log" >>server.log 2>&1 &
        ;;
    haproxy)
        cat >site.cfg <<CONFIG
global
    nbthread $2
    stats socket $folder/haproxy.sock level admin
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
frontend main
    bind 127.0.0.1:$port ssl crt $folder/live/both.pem verify required ca-file $folder/certs/ca.pem
    http-request return status 200 content-type text/plain string "ok\n"
CONFIG
        /usr/sbin/haproxy -db -f site.cfg >>server.log 2>&1 &
        ;;
    hitch)
        cat >site.cfg <<CONFIG
frontend = "[127.0.0.1]:$port"
backend = "[127.0.0.1]:$backend_port"
pem-file = "$folder/live/both.pem"
workers = $2
user = "_hitch"
group = "_hitch"
log-level = 0
client-verify = required
client-verify-ca = "$folder/certs/ca.pem"
CONFIG
        /usr/sbin/hitch --config=site.cfg >>server.log 2>&1 &
        ;;
    stunnel)
        cat >site.cfg <<CONFIG
foreground = yes
debug = err
pid =
[main]
accept = 127.0.0.1:$port
connect = 127.0.0.1:$backend_port
cert = $folder/live/both.pem
CAfile = $folder/certs/ca.pem
verifyChain = yes
CONFIG
        /usr/bin/stunnel4 site.cfg >>server.log 2>&1 &
        ;;
    esac
    server=$!
}

# renew SUBJECT NEXT OLD: publishes and measures; prints what renewal prints.
renew() {
    publish "$2"
    set -- "$1" "$2" "$3" ./renewal "$port" certs/client.pem certs/client.key "$3/server.pem" "$2/server.pem"
    subject=$1
    next=$2
    shift 3
    case $subject in
    command) "$@" run "$BUILD/bin/tlsgraft" reload "$server" >renewal.out && tail -n 1 renewal.out ;;
    signal) "$@" signal "$server" 10 ;;
    haproxy)
        { printf 'set ssl cert %s <<\n' "$folder/live/both.pem" && cat "$next/both.pem" &&
            printf '\n' && printf ';commit ssl cert %s\n' "$folder/live/both.pem"; } >commands
        "$@" send "$folder/haproxy.sock" commands
        ;;
    *) "$@" signal "$server" 1 ;;
    esac
}

# column N: of `rows`, sorted.
column() { cut -d' ' -f"$1" rows | sort -n; }
median() { column "$1" | awk '{ row[NR] = $1 } END { print row[int((NR + 1) / 2)] }'; }
worst() { column "$1" | tail -n 1; }
total() { column "$1" | awk '{ sum += $1 } END { print sum }'; }

nginx_write backend.conf 1 "$backend_port" ";"
/usr/sbin/nginx -c "$folder/backend.conf" -e "$folder/error.log" >>server.log 2>&1 &
backend=$!

printf '%-20s %7s %12s %12s %12s %8s %6s\n' '' workers 'first new ms' 'last old ms' 'pause ms' failed lost
for workers in $WORKERS; do
    for subject in $SUBJECTS; do
        publish first
        start "$subject" "$workers"
        : >rows
        old=first
        next=second
        tries=0
        until ./renewal "$port" certs/client.pem certs/client.key first/server.pem first/server.pem signal $$ 0 >/dev/null 2>&1; do
            tries=$((tries + 1))
            if [ "$tries" -gt 50 ]; then
                cat server.log >&2
                echo "$subject does not serve" >&2
                exit 1
            fi
            sleep 0.2
        done
        round=0
        while [ "$round" -lt "$ROUNDS" ]; do
            renew "$subject" "$next" "$old" >>rows || {
                echo "$subject: the new certificate never came" >&2
                exit 1
            }
            swap=$old
            old=$next
            next=$swap
            round=$((round + 1))
        done
        case $subject in command) name='tlsgraft, command' ;; signal) name='tlsgraft, signal' ;; *) name=$subject ;; esac
        printf '%-20s %7s %12s %12s %12s %8s %6s\n' "$name" "$workers" "$(median 1)" "$(median 2)" "$(worst 3)" "$(total 4)" "$(total 5)"
        end "$server"
        server=
    done
done
