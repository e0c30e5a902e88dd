#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# descriptors.sh BUILD_DIR: what the hooks of a process with a plaintext section cost its other descriptors, in nanoseconds
# a call over the C library's own function. Status 1 where it is more than LIMIT for any of them.
set -eu

BUILD=$(cd "${1:?usage: descriptors.sh BUILD_DIR}" && pwd)
LIMIT=${LIMIT:-5}
port=${PORT:-29843}

ROOT=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -D_GNU_SOURCE -O2 -fno-builtin -o "$folder/descriptors" "$ROOT/bench/descriptors.c" -ldl
"$ROOT/examples/certs/gen.sh" "$folder/certs" >/dev/null
cat >"$folder/site.ini" <<CONFIG
[tlsgraft]
log_level = error
[listener plain]
listen = 127.0.0.1:$port
server_speaks = plaintext
mode = mutual
cert = certs/server.pem
key = certs/server.key
ca = certs/ca.pem
CONFIG
printf '%-20s %-12s %11s %11s\n' '' call without hook
status=0
"$BUILD/bin/tlsgraft" run -c "$folder/site.ini" -- "$folder/descriptors" "$port" "$LIMIT" || status=$?
echo "limit $LIMIT ns"
exit "$status"
