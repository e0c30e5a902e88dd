#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every schedule of the scenarios in this folder (explore.h), with the code as it is and with what once was wrong in it.

    /usr/bin/python3 tests/models/run.py [PATTERN]

A scenario must find nothing in the code as it is. Each line of FAULTS puts a fault back, in a copy of the one file that it is
in, and its scenario must find it. What is put back is text of the code: where that changes, the line no longer fits, and
says so.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults import FAULTS

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests/models"
WRAPPED = ("malloc calloc realloc reallocarray free mmap munmap madvise "
           "pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock").split()
FLAGS = f"-std=gnu11 -D_GNU_SOURCE -O1 -g -fno-pie -fno-builtin -fno-stack-protector -Wall -Wextra -Werror -I{ROOT} " \
        f"-I{ROOT}/include -I{HERE}".split()
ENGINE = ("explore.c", "memory.c")
SECONDS = 120

# A header's fault is compiled with the file that has it.
COMPILED = {"transfer.h": "streams.c"}

# Each model: what it is made of beside its own file. The first are not instrumented: their steps are made by hand.
MODELS = {
    "numbers": (("kernel.c",),
                "streams.c descriptors.c descriptors_close.c descriptors_copy.c descriptors_exec.c descriptors_fork.c duplicate.c fd_bitmap.c "
                "claims.c epoll_control.c epoll_wait.c epolls.c registrations.c interest.c readiness.c wait.c transfer.c".split()),
    "connections": ((), ("connection.c", "recheck.c", "table.c")),
    "forks": ((), ("claims.c",)),
    "sweeps": ((), ("stream.c", "stream_bytes.c", "stream_cork.c")),
    "policy": ((), ("publish.c", "read.c")),
}


def source(name):
    """By its file name alone."""
    found = [path for folder in ("shim", "ipc", "tests/models") for path in (ROOT / folder).rglob(name)]
    if len(found) != 1:
        raise SystemExit(f"{name}: {len(found)} files of that name")
    return found[0]


class Built:
    """Objects and programs, in a folder of their own."""

    def __init__(self, home, workers):
        self.home = home
        names = [(name, False) for name in ENGINE]
        for model, (by_hand, code) in MODELS.items():
            names += [(name, False) for name in by_hand] + [(name, True) for name in (*code, f"{model}.c")]
        list(workers.map(lambda one: self.compile(source(one[0]), one[1], self.object(one[0])), sorted(set(names))))

    def object(self, name):
        return self.home / f"{name}.o"

    @staticmethod
    def compile(path, instrumented, target, *more):
        words = ["gcc", f"-I{target.parent}", *FLAGS, *more, *(["-fsanitize=thread"] if instrumented else []), "-c", path, "-o", target]
        subprocess.run(words, check=True)

    def program(self, model, changed=()):
        """`changed`: the other text of files, by their names."""
        by_hand, code = MODELS[model]
        objects = {name: self.object(name) for name in (*ENGINE, *by_hand, *code, f"{model}.c")}
        folder = Path(tempfile.mkdtemp(dir=self.home))
        for name in changed:
            path = folder / source(name).relative_to(ROOT)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(changed[name])
        for name in {COMPILED.get(name, name) for name in changed}:
            path = folder / source(name).relative_to(ROOT)
            objects[name] = folder / f"{name}.o"
            self.compile(path if path.exists() else source(name), True, objects[name], "-Wno-unused", "-Wno-error")
        wraps = [f"-Wl,--wrap={name}" for name in WRAPPED]
        subprocess.run(["gcc", "-no-pie", *wraps, "-o", folder / model, *objects.values(), "-lpthread"], check=True)
        return folder / model


def explored(program, scenario):
    """(found something, what it says)."""
    try:
        run = subprocess.run([program, scenario], capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"not done in {SECONDS} s"
    if run.returncode not in (0, 1) or not run.stdout.startswith(("none in ", "found after ")):
        return None, f"status {run.returncode}\n{run.stdout}{run.stderr}"
    return run.returncode == 1, run.stdout.rstrip()


def as_it_is(built, model, scenario):
    found, words = explored(built.program(model), scenario)
    return found is False, f"{model}: {scenario}: {words}"


def as_it_was(built, fault):
    model, scenario, why, *pieces = fault
    changed = {}
    for name, old, new in pieces:
        text = changed.get(name) or source(name).read_text()
        if text.count(old) != 1:
            return False, f"{name}: not exactly once, so look at the fault again: {old}"
        changed[name] = text.replace(old, new)
    found, words = explored(built.program(model, changed), scenario)
    return found is True, f"{model}: {scenario}, where {why}: {words.splitlines()[0] if found else words}"


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="tlsgraft-models-") as home, ThreadPoolExecutor() as workers:
        built = Built(Path(home), workers)
        tasks = []
        for model in MODELS:
            listed = subprocess.run([built.program(model)], capture_output=True, text=True, check=True).stdout.splitlines()
            known = {fault[1] for fault in FAULTS if fault[0] == model}
            if not known <= set(listed):
                raise SystemExit(f"{model}: no scenario {', '.join(sorted(known - set(listed)))}")
            if set(listed) - known:
                raise SystemExit(f"{model}: nothing shows that it finds anything: {', '.join(sorted(set(listed) - known))}")
            tasks += [(as_it_is, model, scenario) for scenario in listed if pattern in f"{model}: {scenario}"]
            tasks += [(as_it_was, fault) for fault in FAULTS if fault[0] == model and pattern in f"{model}: {fault[1]}"]
        for good, words in workers.map(lambda task: task[0](built, *task[1:]), tasks):
            passed, failed = passed + good, failed + (not good)
            print(f"{'ok    ' if good else 'FAILED'} {words}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
