#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All tests: tests/run.sh [STAGE...], as root on Debian 12. Installs what is missing, builds into build*/, and ends with a
# line 'N passed, N failed' and status 0 only where nothing failed.
#
# Stages, in their order:
#   unit      gcc build and unit tests
#   keeper    keeper and command line as processes
#   servers   real servers under tlsgraft
#   rows      each row of the shim's table taken out: a test must fail
#   models    every schedule of a few threads on the tables of the shim: none goes wrong, and with an old fault put back one does
#   matrix    every column of docs/COMPATIBILITY.md on every server
#   plaintext servers without TLS, through TLS and without it
#   semantics every call on connections, over plaintext and over TLS, compared
#   attack    clients without a valid certificate against real servers
#   doctor    the verdicts of doctor on real programs and processes
#   faults    damaged files, dead keepers, moved clocks, storms (TLSGRAFT_LONG=1: the long forms)
#   config    tables of wrong files
#   docs      the documentation against the code
#   clang     clang build and unit tests
#   asan      unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   asan-keeper   keeper and command line as processes, and the tables of wrong files, likewise
#   asan-servers  real servers with the sanitized shim, keeper and command line
#   asan-semantics    the calls of semantics with sanitized shim, relay and server
#   tsan      unit tests, servers of many threads with and without TLS, the relay, calls of semantics under ThreadSanitizer
#   lockorder unit tests, real servers with and without TLS in a build that looks at the order of the shim's locks
#             (TLSGRAFT_LONG=1: every stage with real servers)
#   tidy      clang-tidy
#   cppcheck
#   format    clang-format, shellcheck
#   fuzz      every fuzz target, TLSGRAFT_FUZZ_SECONDS (12) each
set -u

cd "$(dirname "$0")/.." || exit 70
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "tests/run.sh: installing packages and starting servers that change their user needs root" >&2
        exit 77
    }
    exec sudo -- ./tests/run.sh "$@"
fi
# shellcheck source=tests/support/packages.sh
. tests/support/packages.sh

stages="unit keeper servers models matrix plaintext semantics attack doctor faults config docs clang asan asan-keeper asan-servers asan-semantics tsan lockorder rows tidy cppcheck format fuzz"
python=/usr/bin/python3
jobs=$(nproc)
passed=0
failed=0
failures=
logs=$(mktemp -d) || exit 70
runner=
trap 'if [ -n "$runner" ]; then kill "$runner"; fi; rm -rf "$logs"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export LC_ALL=C

pass() {
    echo "ok     $1"
    passed=$((passed + 1))
}

# fail NAME [LOG]: with the end of LOG, which says why.
fail() {
    echo "FAILED $1"
    failed=$((failed + 1))
    failures="$failures  $1
"
    if [ $# -gt 1 ]; then tail -n 40 "$2" | sed 's/^/    | /'; fi
}

# check NAME COMMAND...: one test, quiet unless it fails.
check() {
    local name=$1 log
    log="$logs/$(echo "$name" | tr -c 'a-zA-Z0-9\n' _).log"
    shift
    if "$@" >"$log" 2>&1 </dev/null; then
        pass "$name"
    else
        fail "$name" "$log"
        return 1
    fi
}

# counted NAME COMMAND...: a runner with output of its own, which ends with 'N passed, N failed'; its counts are added.
# Shown from a file, not through a pipe: a server left behind would hold the pipe open for ever.
counted() {
    local name=$1 log="$logs/counted.log" status line
    shift
    : >"$log"
    timeout --foreground -k 10 1200 "$@" </dev/null >"$log" 2>&1 &
    runner=$!
    tail -n +1 -f --pid="$runner" "$log"
    wait "$runner"
    status=$?
    runner=
    line=$(grep -Ex '[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    if [ -z "$line" ]; then
        fail "$name: ended with status $status before its last line"
        return
    fi
    # shellcheck disable=SC2086 # words on purpose
    set -- $line
    passed=$((passed + $1))
    failed=$((failed + $3))
    if [ "$3" -gt 0 ]; then
        grep -A 40 '^FAILED' "$log" >>"$logs/counted.failed"
        failures="$failures  $name: $3
$(sed -n 's/^FAILED /    /p' "$log")
"
    elif [ "$status" -ne 0 ]; then
        fail "$name: status $status although no test failed"
    elif [ "$1" -eq 0 ]; then
        fail "$name: no test was run"
    fi
}

# build PRESET [TARGET]: configures and builds; done once for each preset.
built=" "
build() {
    case $built in *" $1 "*) return 0 ;; esac
    check "$1: configure" cmake --preset "$1" -DCMAKE_COMPILE_WARNING_AS_ERROR=ON || return 1
    check "$1: build" cmake --build --preset "$1" -j "$jobs" || return 1
    built="$built$1 "
}

# unit_tests PRESET: each program of ctest is one test.
unit_tests() {
    local log="$logs/ctest.log" total bad status
    ctest --preset "$1" -j "$jobs" --no-tests=error >"$log" 2>&1 </dev/null
    status=$?
    total=$(sed -n 's/^.* tests passed, .* tests failed out of \([0-9]*\)$/\1/p' "$log")
    bad=$(sed -n 's/^.* tests passed, \([0-9]*\) tests failed out of .*$/\1/p' "$log")
    if [ -z "$total" ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
        fail "$1: unit tests ended with status $status" "$log"
        return
    fi
    passed=$((passed + total - bad))
    failed=$((failed + bad))
    if [ "$bad" -gt 0 ]; then
        cat "$log"
        failures="$failures  $1: $bad unit tests
$(sed -n 's/^.*- \(.*\) (Failed.*)$/    \1/p' "$log")
"
    fi
    echo "$([ "$bad" -eq 0 ] && echo 'ok    ' || echo FAILED) $1: $((total - bad)) of $total unit test programs"
}

# instrumented DIR SYMBOL...: every program and library that the tests of a build use calls the sanitizers' runtimes.
instrumented() {
    local dir=$1 symbol file
    shift
    for file in "$dir"/tests/* "$dir/bin/tlsgraft" "$dir"/libexec/tlsgraft/* "$dir/lib/libtlsgraft.so"; do
        if [ -d "$file" ] || { [ -e "$file" ] && [ ! -x "$file" ]; }; then continue; fi
        for symbol in "$@"; do
            # Read to the end: nm would die of a closed pipe.
            nm "$file" | grep -c "$symbol" >/dev/null || {
                echo "$file: no $symbol: not instrumented"
                return 1
            }
        done
        echo "$file: instrumented"
    done
}

c_files() {
    find . -path './build*' -prune -o -path ./.git -prune -o -name '*.[ch]' -print | sort
}

# reports COMMAND...: a tool finds a fault that was put there for it, so its silence elsewhere means something.
reports() {
    local log="$logs/reports.log"
    if "$@" >"$log" 2>&1 || ! grep -q 'canary\.c' "$log"; then
        cat "$log"
        echo "did not report the fault in canary.c"
        return 1
    fi
}

plant_canary() {
    printf '%s\n' 'int canary(const int *p);' 'int canary(const int *p)' '{' '    if (p == 0);' '        return *p;' '}' \
        'int main(void)' '{' '    int *null = 0;' '    return *null;' '}' >"$logs/canary.c"
}

stage_unit() {
    build dev && unit_tests dev
}

stage_keeper() {
    build dev && counted keeper "$python" tests/keeper/run.py build -j $((jobs + 1))
}

stage_servers() {
    build dev && counted servers "$python" tests/servers/run.py build -j $((jobs + 1))
}

stage_rows() {
    build dev && counted rows "$python" tests/shim/rows.py build
}

# Built by itself, with flags of its own.
stage_models() {
    counted models "$python" tests/models/run.py
}

stage_matrix() {
    build dev && counted matrix "$python" tests/matrix/run.py build -j $((jobs + 1))
}

stage_plaintext() {
    check "npm packages" tg_node_modules build-unpacked
    build dev && counted plaintext "$python" tests/plaintext/run.py build -j $((jobs + 1))
}

stage_semantics() {
    build dev && counted semantics "$python" tests/semantics/run.py build
}

stage_attack() {
    build dev && counted attack "$python" tests/attack/run.py build -j $((jobs * 2)) # they mostly wait
}

stage_doctor() {
    build dev && counted doctor "$python" tests/doctor/run.py build -j "$jobs"
}

stage_faults() {
    build dev && counted faults "$python" tests/faults/run.py build -j 2
}

stage_config() {
    build dev && counted config "$python" tests/config/run.py build
}

stage_docs() {
    build dev && counted docs "$python" tests/docs/run.py build
}

stage_clang() {
    build clang && unit_tests clang
}

stage_asan() {
    build asan || return
    check "asan: instrumented" instrumented build-asan __asan_ __ubsan_
    unit_tests asan
}

# no_reports NAME: whatever a process that nobody looked at had to say is in the reports folder.
no_reports() {
    local report
    for report in "$logs"/reports/*; do
        if [ -e "$report" ]; then
            fail "$1: sanitizer report" "$report"
            rm -f "$report"
        fi
    done
}

# The shim's runtime comes late in programs that are not sanitized themselves (verify_asan_link_order), and what these
# programs catch is compared with and without the shim (handle_*).
stage_asan-keeper() {
    local options
    build asan || return
    mkdir -p "$logs/reports"
    chmod 711 "$logs"
    chmod 1777 "$logs/reports"
    options="log_path=$logs/reports/asan:verify_asan_link_order=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0"
    counted asan-keeper env ASAN_OPTIONS="$options" UBSAN_OPTIONS="log_path=$logs/reports/ubsan:print_stacktrace=1" \
        "$python" tests/keeper/run.py build-asan -j "$jobs"
    counted asan-config "$python" tests/config/run.py build-asan check
    no_reports asan-keeper
}

stage_asan-servers() {
    build dev && build asan || return
    counted asan-servers "$python" tests/servers/run.py build --asan build-asan -j "$jobs"
    counted asan-plaintext "$python" tests/plaintext/run.py build --asan build-asan -j "$jobs"
}

stage_asan-semantics() {
    local options="detect_leaks=0:verify_asan_link_order=0:handle_segv=0"
    build asan || return
    mkdir -p "$logs/reports"
    chmod 711 "$logs"
    chmod 1777 "$logs/reports"
    counted asan-semantics env ASAN_OPTIONS="$options:log_path=$logs/reports/asan" \
        UBSAN_OPTIONS="log_path=$logs/reports/ubsan:print_stacktrace=1" "$python" tests/semantics/run.py build-asan -e auto -e relay
    no_reports asan-semantics
}

# told BUILD DIR VARIABLES: what the tests need of BUILD, in DIR, with a relay that has VARIABLES (NAME=VALUE|NAME=VALUE).
told() {
    local programs="$2/libexec/tlsgraft"
    mkdir -p "$programs/real" && cp -a "$1/bin" "$1/lib" "$1/libexec" "$1/tests" "$2" &&
        mv "$programs/tlsgraft-relay" "$programs/real" &&
        cc -DRELAY="\"$programs/real/tlsgraft-relay\"" -DVARIABLES="\"$3\"" -o "$programs/tlsgraft-relay" \
            tests/support/relay_with_variables.c
}

# A race that is planted in the server and in the relay, after that has given up its rights, is reported by both.
tsan_reports_planted() {
    local options="$1:log_path=$logs/planted/tsan" library="$logs/planted/planted.so" program
    mkdir -p "$logs/planted"
    chmod 1777 "$logs/planted"
    cc -g -fsanitize=thread -shared -fPIC -o "$library" tests/support/planted.c || return 1
    told build-tsan "$logs/planted/build" "LD_PRELOAD=$library|TSAN_OPTIONS=$options" || return 1
    env TSAN_OPTIONS="$options" "$python" tests/semantics/run.py "$logs/planted/build" -e relay -k read/read/threaded \
        --preload "$library"
    for program in semantics-server tlsgraft-relay; do
        grep -c 'WARNING: ThreadSanitizer: data race' "$logs/planted/tsan.$program".* &&
            grep -c planted.c "$logs/planted/tsan.$program".* || return 1
    done
}

stage_tsan() {
    # libssl is not instrumented: how its threads synchronise is not seen. A fork takes every lock, and ThreadSanitizer's
    # own search for deadlocks ends a program that holds 64: the order of locks is the lockorder stage's.
    local options=detect_deadlocks=0:ignore_noninstrumented_modules=1 reporting="$logs/tsan"
    build tsan || return
    check "tsan: instrumented" instrumented build-tsan __tsan_
    TSAN_OPTIONS=$options unit_tests tsan
    counted tsan-servers env TSAN_OPTIONS="$options" \
        "$python" tests/servers/run.py build-tsan -k test_threads_while
    options="$options:log_exe_name=1"
    mkdir -p "$logs/reports"
    chmod 711 "$logs"
    chmod 1777 "$logs/reports"
    check "tsan: reports planted races" tsan_reports_planted "$options" || return
    options="$options:log_path=$logs/reports/tsan"
    check "tsan: a relay that reports" told build-tsan "$reporting" "TSAN_OPTIONS=$options" || return
    # Programs that a server executes are not instrumented, so that they cannot hold the shim (exec_*).
    counted tsan-semantics env TSAN_OPTIONS="$options:handle_segv=0:die_after_fork=0" "$python" tests/semantics/run.py \
        "$reporting" -e auto -e relay -k '@(/threaded|single/[!e]|single/e[!x])'
    counted tsan-plaintext env TSAN_OPTIONS="$options" \
        "$python" tests/plaintext/run.py "$reporting" -k test_threads.Threads -j "$jobs"
    no_reports tsan
}

# An order that is broken on purpose ends the process, and is told where the stage looks.
lock_order_reports_planted() {
    if env TLSGRAFT_LOCK_PLANT=1 LD_PRELOAD="$PWD/build-lockorder/lib/libtlsgraft.so" /bin/true; then return 1; fi
    grep 'takes DESCRIPTORS, holding STREAM' build-lockorder/lock-reports
}

# Processes of any user add to the file of reports; nobody else makes it.
stage_lockorder() {
    local reports=build-lockorder/lock-reports stage
    build lockorder || return
    unit_tests lockorder
    : >"$reports"
    chmod 666 "$reports"
    check "lockorder: reports a planted inversion" lock_order_reports_planted || return
    : >"$reports"
    if [ -n "${TLSGRAFT_LONG:-}" ]; then
        for stage in keeper servers matrix plaintext attack faults; do
            counted "lockorder-$stage" env -u TLSGRAFT_LONG "$python" "tests/$stage/run.py" build-lockorder -j "$jobs"
        done
        counted lockorder-semantics "$python" tests/semantics/run.py build-lockorder
    fi
    counted lockorder-servers "$python" tests/servers/run.py build-lockorder -k test_mutual -j "$jobs"
    counted lockorder-threads "$python" tests/plaintext/run.py build-lockorder -k test_threads.Threads -j "$jobs"
    counted lockorder-web "$python" tests/plaintext/run.py build-lockorder -k test_web.Web -j "$jobs"
    if [ -s "$reports" ]; then fail "lockorder: reports" "$reports"; else pass "lockorder: 0 reports"; fi
}

# tidy_one FILE: with the flags of the build that compiles it; tests compile some programs themselves, with few flags.
tidy_one() {
    local dir
    for dir in build-clang build-fuzz; do
        if grep -qF "\"$PWD/$1\"" "$dir/compile_commands.json"; then
            clang-tidy --quiet -p "$dir" "$1" 2> >(grep -v ' generated\.$')
            return
        fi
    done
    clang-tidy --quiet "$1" -- -std=gnu11 -D_GNU_SOURCE -I. -Iinclude 2> >(grep -v ' generated\.$')
}

run_tidy() {
    export -f tidy_one
    # shellcheck disable=SC2016 # expanded by the inner shell
    c_files | sed -n 's|^\./\(.*\.c\)$|\1|p' | xargs -P "$jobs" -I '{}' bash -c 'tidy_one "$1" 2>&1' tidy '{}'
}

stage_tidy() {
    check "tidy: configure" cmake --preset clang -DCMAKE_COMPILE_WARNING_AS_ERROR=ON || return
    check "tidy: configure the fuzz targets" cmake --preset fuzz || return
    plant_canary
    check "tidy: reports a planted fault" reports clang-tidy --quiet --config-file=.clang-tidy "$logs/canary.c" -- -std=gnu11
    check "tidy: quiet" run_tidy
}

# Macros of headers that it does not read are told to it. alloca is for what runs between vfork and exec, where nothing may
# be allocated.
run_cppcheck() {
    cppcheck -j "$jobs" --quiet --std=c11 --enable=warning,performance --inline-suppr --error-exitcode=1 \
        --suppress=allocaCalled -D_GNU_SOURCE -D__GNUC__=12 -D__x86_64__ '-DElfW(type)=Elf64_##type' \
        '-DcJSON_ArrayForEach(element,array)=for (element = (array)->child; element; element = element->next)' \
        -I. -Iinclude "$@"
}

stage_cppcheck() {
    plant_canary
    check "cppcheck: reports a planted fault" reports run_cppcheck "$logs/canary.c"
    # shellcheck disable=SC2046 # words on purpose
    check "cppcheck: quiet" run_cppcheck $(c_files | grep '\.c$')
}

stage_format() {
    # shellcheck disable=SC2046 # words on purpose
    check "format: clang-format" clang-format --dry-run -Werror $(c_files)
    # shellcheck disable=SC2046 # words on purpose
    check "format: shellcheck" shellcheck -x \
        $(find . -path './build*' -prune -o -path ./.git -prune -o -name '*.sh' -print) .ci/run
}

# One target for its time, on the corpus of the repository and what earlier runs found worth keeping. A finding ends it at
# once.
run_fuzz() {
    local target=$1 corpus="build-fuzz/corpus/${1##*/}" kept="tests/fuzz/corpus/${1##*/}"
    mkdir -p "$corpus" build-fuzz/findings
    if [ ! -d "$kept" ]; then kept=; fi
    "$target" -max_total_time="${TLSGRAFT_FUZZ_SECONDS:-12}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/findings/${target##*/}-" "$corpus" ${kept:+"$kept"}
}

stage_fuzz() {
    local target name runs
    build fuzz || return
    for target in build-fuzz/fuzz/fuzz_*; do
        name=${target##*/}
        while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
        { run_fuzz "$target" >"$logs/$name.log" 2>&1 </dev/null && touch "$logs/$name.good"; } &
    done
    wait
    for target in build-fuzz/fuzz/fuzz_*; do
        name=${target##*/}
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$name.log")
        if ! nm "$target" | grep -c __asan_ >/dev/null; then
            fail "fuzz: $name is not instrumented"
        elif [ -e "$logs/$name.good" ] && [ "${runs:-0}" -gt 1000 ]; then
            pass "fuzz: $name, $runs runs"
        else
            fail "fuzz: $name" "$logs/$name.log"
        fi
    done
}

# shellcheck disable=SC2086 # words on purpose
if [ $# -eq 0 ]; then set -- $stages; fi
for stage; do
    case " $stages " in
    *" $stage "*) ;;
    *)
        echo "tests/run.sh: '$stage' is none of: $stages" >&2
        exit 64
        ;;
    esac
done

tg_install_missing tests || exit 1
tg_unpack build-unpacked || exit 1
for stage; do
    echo "== $stage"
    began=$SECONDS
    "stage_$stage"
    echo "   $stage: $((SECONDS - began)) s"
done

echo
if [ "$failed" -gt 0 ]; then
    if [ -s "$logs/counted.failed" ]; then printf 'Again, what failed in stages that go on:\n\n%s\n\n' "$(cat "$logs/counted.failed")"; fi
    printf 'Failed:\n%s\n' "$failures"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
