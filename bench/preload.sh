#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# preload.sh BUILD_DIR: what the preloaded shim costs a program that neither serves nor listens, over an empty library.
# Status 1 where it is more than LIMIT microseconds for any of them.
set -eu

BUILD=$(cd "${1:?usage: preload.sh BUILD_DIR}" && pwd)
LIMIT=${LIMIT:-300}
RUNS=${RUNS:-300}

ROOT=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -D_GNU_SOURCE -O2 -o "$folder/spawn" "$ROOT/bench/spawn.c"
echo 'int tg_bench_empty;' | cc -shared -fPIC -o "$folder/empty.so" -xc -

status=0
printf '%-24s %10s %10s %12s\n' 'command' 'empty' 'tlsgraft' 'difference'
measure() {
    measured=$("$folder/spawn" "$RUNS" "$folder/empty.so" "$BUILD/lib/libtlsgraft.so" "$@")
    echo "$* $measured" | awk -v name="$*" '{ printf "%-24s %7d us %7d us %9d us\n", name, $(NF-2), $(NF-1), $NF }'
    if [ "${measured##* }" -gt "$LIMIT" ]; then status=1; fi
}
measure /bin/true
measure /bin/sh -c true
measure /usr/bin/python3 -c pass
echo "limit $LIMIT us"
exit "$status"
