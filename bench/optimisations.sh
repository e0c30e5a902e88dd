#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# optimisations.sh: what each optimisation of the direct engine is worth, by taking it out.
#
# bench/optimisations/NAME.patch takes one out of the sources and begins with what it is. Each is built in a copy of its
# own; the whole and all of these answer the cells of plaintext.sh in turn, in another order each round. A ratio is without
# the optimisation to with it, the median of the rounds' ratios: requests a second, and in brackets processor time for as
# many requests, which a busy machine disturbs less. An optimisation that costs no cell more than LIMIT when it is gone
# is to go: status 1 then.
#
# NAMES, CELLS, ROUNDS and DURATION choose what is measured; MTU and PLACE are plaintext.sh's. PLACE=apart differs least
# from run to run. As it stands, it takes some 20 minutes of a machine that does nothing else.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
NAMES=${NAMES:-$(cd "$ROOT/bench/optimisations" && for patch in *.patch; do echo "${patch%.patch}"; done)}
CELLS=${CELLS:-redis-64-50-1 redis-64-1000-1 redis-16k-50-1 memcached-64-50-1 nginx-1k nginx-100k nginx-10m}
ROUNDS=${ROUNDS:-5}
LIMIT=${LIMIT:-0.05}
export DURATION="${DURATION:-1}"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

# build NAME: its build tree is $folder/NAME/build.
build() {
    mkdir "$folder/$1"
    (cd "$ROOT" && tar -c --exclude=./build --exclude='./build-*' --exclude=./.git .) | tar -x -C "$folder/$1"
    if [ "$1" != whole ] && ! patch -s -d "$folder/$1" -p1 <"$ROOT/bench/optimisations/$1.patch"; then
        echo "optimisations.sh: $1.patch does not fit the sources any more: make it anew" >&2
        exit 1
    fi
    if ! {
        cmake -S "$folder/$1" -B "$folder/$1/build" -DCMAKE_BUILD_TYPE=Release -DTLSGRAFT_TESTS=OFF &&
            cmake --build "$folder/$1/build" -j "$(nproc)"
    } >"$folder/$1.log" 2>&1; then
        tail -n 20 "$folder/$1.log" >&2
        exit 1
    fi
}

for name in whole $NAMES; do build "$name"; done
order="whole $NAMES"
round=0
while [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    for name in $order; do
        rm -f "$folder/rows"
        # its own targets are of other subjects
        CELLS=$CELLS ROUNDS=1 SUBJECTS=direct ROWS=$folder/rows \
            "$ROOT/bench/plaintext.sh" "$folder/$name/build" >"$folder/run.log" 2>&1 || true
        if [ ! -s "$folder/rows" ]; then
            cat "$folder/run.log" >&2
            exit 1
        fi
        sed "s/^/$name $round /" "$folder/rows" >>"$folder/all"
    done
    # The first one becomes the last.
    # shellcheck disable=SC2086 # words on purpose
    order=$(set -- $order && first=$1 && shift && echo "$@" "$first")
done

for name in $NAMES; do
    echo "text $name $(head -n 1 "$ROOT/bench/optimisations/$name.patch")"
done >"$folder/texts"

# Rows are: NAME ROUND CELL SUBJECT 1 REQUESTS/S P50 P99 CPU ...
awk -v NAMES="$NAMES" -v CELLS="$CELLS" -v ROUNDS="$ROUNDS" -v LIMIT="$LIMIT" '
function median(list, count,    i, j, value) {
    for (i = 2; i <= count; i++) {
        value = list[i]
        for (j = i - 1; j >= 1 && list[j] > value; j--) list[j + 1] = list[j]
        list[j + 1] = value
    }
    return count == 0 ? 0 : count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}
function ratio(of, name, cell,    list, count, round) {
    for (round = 1; round <= ROUNDS; round++)
        if (of["whole", round, cell] > 0 && of[name, round, cell] > 0)
            list[++count] = of[name, round, cell] / of["whole", round, cell]
    return median(list, count)
}
$1 == "text" { title = $2; $1 = $2 = ""; text[title] = $0; next }
{ rate[$1, $2, $3] = $6; cpu[$1, $2, $3] = $9 }
END {
    names = split(NAMES, name)
    cells = split(CELLS, cell)
    for (i = 1; i <= names; i++) {
        worth = 0
        printf "%s:%s\n", name[i], text[name[i]]
        for (j = 1; j <= cells; j++) {
            speed = ratio(rate, name[i], cell[j])
            printf "  %-20s %5.2f  [%.2f]\n", cell[j], speed, ratio(cpu, name[i], cell[j])
            if (speed > 0 && speed < 1 - LIMIT) worth = 1
        }
        printf "  %s\n", worth ? "stays" : "is worth nothing here"
        useless += !worth
    }
    exit useless > 0
}' "$folder/texts" "$folder/all"
