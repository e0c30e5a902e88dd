#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh: mutual TLS on an unmodified nginx, from nothing, in a minute or two. Installs what is missing (as root),
# builds tlsgraft, makes certificates, and shows what happens, each step with its command and one line of result.
# Works in a temporary folder that it removes; ends with status 0 only if everything was as it says.
# shellcheck disable=SC2317 # the functions are called, by trap
set -u

ROOT=$(cd "$(dirname "$0")/.." && pwd) || exit 70
BUILD=${BUILD:-$ROOT/build/quickstart}

# shellcheck source=tests/support/packages.sh
. "$ROOT/tests/support/packages.sh"

failed=0
server=
requests=
folder=$(mktemp -d) || exit 70
chmod 755 "$folder" # nginx's workers run as another user

clean_up() {
    : >"$folder/stop"
    if [ -n "$requests" ]; then wait "$requests"; fi
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

heading() { printf '\n%s\n' "$1"; }

# try COMMAND: shows the command as a user would type it and runs it; its status in $status, all it said in $output.
try() {
    printf '  $ %s\n' "$1"
    output=$(eval "$1" 2>&1)
    status=$?
}

good() { printf '  => %s\n' "$1"; }

bad() {
    printf '  => NOT AS EXPECTED: %s\n' "$1"
    if [ -n "${output:-}" ]; then printf '%s\n' "$output" | sed 's/^/     | /'; fi
    failed=1
}

# give_up: where going on makes no sense.
give_up() {
    bad "$1"
    if [ -s server.log ]; then sed 's/^/     server: /' server.log | tail -n 20; fi
    exit 1
}

first_line() { printf '%s\n' "$output" | sed -n '/./{p;q;}'; }

serial_of() { openssl x509 -in "$1" -noout -serial | sed 's/serial=//'; }

serial_served() {
    openssl s_client -connect "127.0.0.1:$port" -cert certs/client.pem -key certs/client.key \
        </dev/null 2>/dev/null | openssl x509 -noout -serial 2>/dev/null | sed 's/serial=//'
}

heading 'Packages that the build and this script need'
printf '  $ tg_install_missing quickstart\n'
tg_install_missing quickstart || exit 1
good 'installed'

heading 'Build'
try "cmake -S $ROOT -B $BUILD -DTLSGRAFT_TESTS=OFF"
[ "$status" -eq 0 ] || give_up 'cmake failed'
try "cmake --build $BUILD -j$(nproc)"
[ "$status" -eq 0 ] || give_up 'the build failed'
good "$("$BUILD/bin/tlsgraft" --version | head -n 1)"
PATH=$BUILD/bin:$PATH
cd "$folder" || exit 70

heading 'Certificates: a CA with a server and a client; another CA, for a stranger; a placeholder for nginx'
CERTS=$ROOT/examples/certs
try "$CERTS/gen.sh certs"
[ "$status" -eq 0 ] || give_up 'gen.sh failed'
good "$(first_line)"
try "CA_NAME='Another CA' CLIENT_NAME=stranger KEY_TYPE=ec:P-256 $CERTS/gen.sh stranger"
[ "$status" -eq 0 ] || give_up 'gen.sh failed'
try 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=placeholder \
      -keyout own.key -out own.pem'
[ "$status" -eq 0 ] || give_up 'openssl failed'
good 'nginx itself knows own.pem and own.key alone, and asks no client for a certificate'

port=0
for candidate in 18443 28443 38443 48443; do
    curl -s --max-time 1 "http://127.0.0.1:$candidate/" >/dev/null
    if [ $? -eq 7 ]; then # connection refused: nobody is there
        port=$candidate
        break
    fi
done
[ "$port" -ne 0 ] || give_up 'no free port on 127.0.0.1'
cat >nginx.conf <<CONFIG
user www-data;
worker_processes 2;
daemon off;
pid $folder/nginx.pid;
error_log $folder/error.log;
events { }
http {
    access_log off;
    client_body_temp_path $folder/body; proxy_temp_path $folder/proxy; fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi; scgi_temp_path $folder/scgi;
    server {
        listen 127.0.0.1:$port ssl;
        ssl_certificate $folder/own.pem;
        ssl_certificate_key $folder/own.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / { default_type text/plain; return 200 "hello from nginx\n"; }
    }
}
CONFIG
cat >site.ini <<CONFIG
[server]
mode = mutual
cert = certs/server.pem
key  = certs/server.key
ca   = certs/ca.pem
CONFIG

heading 'The whole configuration of tlsgraft (site.ini), and what it would serve'
sed 's/^/  | /' site.ini
try 'tlsgraft check site.ini'
[ "$status" -eq 0 ] || give_up 'the configuration is not accepted'
good "accepted; $(printf '%s\n' "$output" | grep -m 1 -i -e 'certificate' -e 'rsa' || first_line)"

heading 'nginx, unmodified, under tlsgraft'
nginx=$(command -v nginx || echo /usr/sbin/nginx)
printf '  $ tlsgraft run -c site.ini -- nginx -c %s &\n' "$folder/nginx.conf"
tlsgraft run -c site.ini -- "$nginx" -c "$folder/nginx.conf" -e "$folder/error.log" >server.log 2>&1 &
server=$!
tries=0
until curl -sk "https://127.0.0.1:$port/" --cert certs/client.pem --key certs/client.key >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 100 ] || ! kill -0 "$server" 2>/dev/null; then give_up 'nginx did not start'; fi
    sleep 0.1
done
good "process $server listens on 127.0.0.1:$port"

url=https://127.0.0.1:$port/
curl="curl -sS --cacert certs/ca.pem"

heading 'A client without a certificate'
try "$curl $url"
case $status:$output in
0:* | *'hello from nginx'*) bad 'it was served' ;;
*) good "refused: $(first_line)" ;;
esac

heading 'A client with a certificate of another CA'
try "$curl --cert stranger/client.pem --key stranger/client.key $url"
case $status:$output in
0:* | *'hello from nginx'*) bad 'it was served' ;;
*) good "refused: $(first_line)" ;;
esac

heading 'The right client'
request="$curl --cert certs/client.pem --key certs/client.key $url"
try "$request"
case $status:$output in
0:'hello from nginx') good "served: $output" ;;
*) bad 'it was refused' ;;
esac

heading 'The certificate that is served'
try "openssl s_client -connect 127.0.0.1:$port -cert certs/client.pem -key certs/client.key </dev/null 2>/dev/null |
      openssl x509 -noout -subject -serial"
old=$(serial_of certs/server.pem)
case $output in
*"$old"*) good "certs/server.pem, not nginx's own: $(printf '%s' "$output" | tr '\n' ' ')" ;;
*) bad "it is not certs/server.pem (serial $old)" ;;
esac

heading 'A renewal by SIGHUP while requests run'
: >requests
while [ ! -e stop ]; do
    if [ "$($request 2>>faults)" = 'hello from nginx' ]; then echo 'request done'; else echo 'request failed'; fi
done >requests &
requests=$!
try "$CERTS/renew.sh certs server"
[ "$status" -eq 0 ] || bad 'renew.sh failed'
new=$(serial_of certs/server.pem)
try "kill -HUP $server"
tries=0
until [ "$(serial_served)" = "$new" ] || [ "$tries" -ge 60 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
now=$(serial_served)
count=$(wc -l <requests)
until [ "$(wc -l <requests)" -ge $((count + 20)) ] || [ "$tries" -ge 200 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
: >stop
wait "$requests"
requests=
completed=$(grep -c 'request done' requests)
lost=$(grep -c 'request failed' requests)
output=$(cat faults 2>/dev/null)
line="serial $old before, $now now; requests done: $completed, requests failed: $lost"
if [ "$now" = "$new" ] && [ "$lost" -eq 0 ] && [ "$completed" -gt 20 ]; then good "$line"; else bad "$line"; fi

heading 'A renewal with a key that does not belong to the certificate'
try 'cp stranger/server.key certs/server.key'
try "tlsgraft reload $server"
now=$(serial_served)
case $status:$now in
"1:$new") good "$(first_line)" ;;
*) bad "status $status, serial $now is served" ;;
esac
try "$request"
case $status:$output in
0:'hello from nginx') good "the old one ($now) goes on serving: $output" ;;
*) bad 'the right client was refused' ;;
esac

heading 'Status'
try "tlsgraft status $server"
printf '%s\n' "$output" | sed 's/^/  | /'
# 1: the last reload was refused, and status says so.
case $status in
1) good 'status 1, because the last reload was refused' ;;
*) bad "status $status" ;;
esac

heading 'The end'
try "kill $server"
wait "$server"
status=$?
server=
case $status in
0) good 'nginx has ended with status 0' ;;
*) bad "nginx ended with status $status" ;;
esac

if [ "$failed" -eq 0 ]; then
    printf '\nAll as it should be.\n'
else
    printf '\nSomething was not as it should be; see above.\n'
fi
exit "$failed"
