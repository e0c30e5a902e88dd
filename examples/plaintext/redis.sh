#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# redis.sh: mutual TLS for a Redis that knows nothing of TLS, by the site.ini beside this file. Needs tlsgraft in PATH,
# redis-server, redis-cli and openssl; PORT=... where 6379 is taken. Works in a temporary folder that it removes; ends with status
# 0 only if everything was as it says.
# shellcheck disable=SC2317 # the function is called, by trap
set -u

HERE=$(cd "$(dirname "$0")" && pwd) || exit 70
PORT=${PORT:-6379}

failed=0
server=
folder=$(mktemp -d) || exit 70

clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# ask WORDS...: what Redis answers to PING and to what the client says of itself; WORDS: how to reach it.
ask() {
    printf 'PING\nCLIENT INFO\n' | timeout 10 redis-cli -h 127.0.0.1 -p "$PORT" "$@" 2>&1
}

# served NAME WORDS..., refused NAME WORDS...: who should be.
served() {
    name=$1
    shift
    said=$(ask "$@")
    case $said in
    PONG*addr=127.0.0.1:*) echo "served   $name" ;;
    *)
        echo "FAILED   $name was not served: $said"
        failed=1
        ;;
    esac
}

refused() {
    name=$1
    shift
    said=$(ask "$@")
    case $said in
    *PONG*)
        echo "FAILED   $name was served: $said"
        failed=1
        ;;
    *) echo "refused  $name: $(printf '%s\n' "$said" | sed -n '/./{p;q;}')" ;;
    esac
}

cd "$folder" || exit 70
"$HERE/../certs/gen.sh" certs >/dev/null || exit 1
CA_NAME='Another CA' CLIENT_NAME=stranger KEY_TYPE=ec:P-256 "$HERE/../certs/gen.sh" stranger >/dev/null || exit 1
sed "s/:6379$/:$PORT/" "$HERE/site.ini" >site.ini

tlsgraft run -c site.ini -- redis-server --bind 127.0.0.1 --port "$PORT" --save '' --dir "$folder" >server.log 2>&1 &
server=$!
tries=0
until grep -q 'Ready to accept connections' server.log; do
    tries=$((tries + 1))
    if [ "$tries" -ge 100 ] || ! kill -0 "$server" 2>/dev/null; then
        echo 'FAILED   redis-server did not start:'
        tail -n 20 server.log
        exit 1
    fi
    sleep 0.1
done

tls="--tls --cacert certs/ca.pem"
# shellcheck disable=SC2086 # words on purpose
{
    served 'the right client' $tls --cert certs/client.pem --key certs/client.key
    refused 'a client without a certificate' $tls
    refused 'a client of another CA' $tls --cert stranger/client.pem --key stranger/client.key
    refused 'a client without TLS'
    "$HERE/../certs/renew.sh" certs server >/dev/null || failed=1
    tlsgraft reload "$server" || failed=1
    served 'the right client, after a renewal' $tls --cert certs/client.pem --key certs/client.key
}
tlsgraft status "$server" || failed=1
exit "$failed"
