#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same calls on the same connections, over plaintext and over TLS that the server knows nothing of: each must return
the same. `off` is the shim in a server whose port it leaves alone. The status is 0 only where nothing differs."""

import argparse
import difflib
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

from differences import ALLOWED, EITHER  # noqa: E402
from support import procs  # noqa: E402
from support.graft import Graft, write_ini  # noqa: E402
from support.pki import Pki  # noqa: E402
from support.ports import free_port  # noqa: E402

PLAIN = "plaintext"
LIMIT_S = 300
# name: keys of the listener, and what the client speaks
ENGINES = {
    "off": ({"mode": "off"}, None),
    "auto": ({}, "1.3"),
    "direct": ({"engine": "direct"}, "1.2"),
    "relay": ({"engine": "relay"}, "1.3"),
    "moved": ({}, "1.3"),
}
# What of it the direct engine leaves to the relay. `auto` would go there for good, so it is another run: by the first
# connection the listener is marked, and all that follow must be as over plaintext.
FEW = ("read/splice", "read/fread", "write/splice", "write/fwrite", "write/fprintf", "write/dprintf", "single/splice_",
       "single/stdio_", "single/as_standard", "single/calls_of_few")
OF_FEW = f"@({'|'.join(FEW)})*"
SOME = {"auto": (f"!({OF_FEW})",), "direct": (f"!(@({'|'.join(FEW[:-1])})*)",), "moved": (OF_FEW, "read/splice/cold")}
MOVED_AS = {"moved": "relay"}  # whose differences


class Run(threading.Thread):
    """All cases, one engine: {case: lines of its record}."""

    def __init__(self, name, graft, pki, home, pattern, preload):
        super().__init__(daemon=True)
        self.name = name
        self.home = home / name.replace(" ", "-")
        self.home.mkdir()
        self.records = {}
        self.problem = None
        self.environment = {**os.environ, "LD_PRELOAD": preload} if preload else None
        port = free_port()
        keys, version = ENGINES.get(name, ({}, None))
        programs = graft.build / "tests"
        control = self.home / "control"
        self.client_words = [programs / "semantics-client", control, port]
        self.server_words = [programs / "semantics-server", control, port, pattern, *SOME.get(name, ("*",))]
        if version:
            who = pki.clients["good"]
            self.client_words += [who.cert, who.key, version]
        if name != PLAIN:
            pair = pki.server("ec")
            section = {"listen": f"127.0.0.1:{port}", "server_speaks": "plaintext", "mode": "mutual", "cert": pair.cert,
                       "key": pair.key, "ca": pki.ca.cert, **keys}
            ini = write_ini(self.home / "site.ini", {"listener semantics": section})
            self.server_words = [*graft.run(ini), *self.server_words]

    def run(self):
        try:
            self._run()
        except (OSError, subprocess.SubprocessError, AssertionError) as fault:
            self.problem = str(fault)

    def _run(self):
        words = [str(word) for word in self.client_words]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            if client.stdout.readline() != "ready\n":
                raise AssertionError("the client did not start")
            # into files: what a case leaves behind would hold a pipe open
            with open(self.home / "records", "w") as output, open(self.home / "errors", "w") as errors:
                done = subprocess.run(
                    [str(word) for word in self.server_words], stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                    timeout=LIMIT_S, check=False, env=self.environment,
                )
            client.stdin.close()
        lines = None
        for line in (self.home / "records").read_text(errors="replace").splitlines():
            if line.startswith("= "):
                lines = self.records.setdefault(line[2:], [])
            elif lines is not None:
                lines.append(line.rstrip())
        said = (self.home / "errors").read_text(errors="replace")
        if done.returncode != 0 or "Sanitizer" in said or "runtime error: " in said:
            self.problem = f"status {done.returncode}: {said[-6000:]}"


def expected(engine, case, lines, used):
    """The record over plaintext, with what is allowed to differ in it."""
    text = "\n".join(lines) + "\n"
    for number, (engines, pattern, plain, instead, _) in enumerate(ALLOWED):
        if engine in engines and fnmatch.fnmatchcase(case, pattern):
            text, count = re.subn(plain, instead, text)
            if count:
                used.add((number, engine))
    return text.splitlines()


def blurred(engine, case, lines):
    """Without what may be there or not."""
    text = "\n".join(lines) + "\n"
    for engines, pattern, either, _ in EITHER:
        if engine in engines and fnmatch.fnmatchcase(case, pattern):
            text = re.sub(either, "(either)", text)
    return text.splitlines()


def is_run(name, case):
    """By this engine."""
    if name == "direct":
        return not case.startswith(FEW[:-1])
    return name not in SOME or case.startswith(FEW) == (name == "moved")


def compare(plain, run, used):
    """One line for each case that differs, with the difference; (passed, failed)."""
    engine = MOVED_AS.get(run.name, run.name)
    passed = failed = 0
    if run.problem:
        print(f"FAILED {run.name}: {run.problem}")
        failed += 1
        if not run.records:
            return 0, failed
    cases = [case for case in plain.records if is_run(run.name, case)]
    for case in cases:
        wanted = blurred(engine, case, expected(engine, case, plain.records[case], used))
        found = blurred(engine, case, run.records.get(case, ["no record"]))
        if wanted == found:
            passed += 1
            continue
        failed += 1
        print(f"FAILED {run.name}: {case}")
        for line in difflib.unified_diff(wanted, found, PLAIN, run.name, lineterm="", n=4):
            print(f"    {line}")
    print(f"{'FAILED' if failed else 'ok    '} {run.name}: {passed} of {len(cases)} cases as over plaintext")
    return passed, failed


def unused(engines, used):
    """Rows of differences that nothing needs."""
    failed = 0
    for number, row in enumerate(ALLOWED):
        for engine in row[0]:
            if engine in engines and (number, engine) not in used:
                print(f"FAILED {engine}: no case needs the difference in {row[1]}: {row[2]!r}")
                failed += 1
    return failed


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("build")
    options.add_argument("-k", metavar="PATTERN", dest="pattern", help="of cases; as in file names, also @(ONE|OTHER)")
    options.add_argument("--preload", metavar="LIBRARY", help="into the server: with a fault, whose report is to be seen")
    options.add_argument("-e", metavar="ENGINE", dest="engines", action="append", choices=list(ENGINES))
    options.add_argument("--keep", action="store_true", help="leave the folder with all records")
    chosen = options.parse_args()
    engines = chosen.engines or list(ENGINES)
    procs.become_subreaper()
    home = Path(tempfile.mkdtemp(prefix="tlsgraft-semantics-"))
    home.chmod(0o755)
    passed = failed = 0
    used = set()
    try:
        graft, pki = Graft(chosen.build), Pki(home / "pki")
        pattern = f"*{chosen.pattern}*" if chosen.pattern else "*"
        runs = [Run(name, graft, pki, home, pattern, chosen.preload) for name in (PLAIN, *engines)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        plain = runs[0]
        if plain.problem or not plain.records:
            print(f"FAILED {PLAIN}: {plain.problem or 'no case'}")
            failed += 1
        for run in runs[1:]:
            more = compare(plain, run, used)
            passed, failed = passed + more[0], failed + more[1]
        if not chosen.pattern and all(run.records for run in runs):
            failed += unused(engines, used)
    finally:
        for pid in procs.descendants(os.getpid()):
            procs.kill(pid)
        if chosen.keep:
            print(f"kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
