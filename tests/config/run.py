#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run.py BUILD_DIR [check] - every row of the table against `tlsgraft check`, `tlsgraft run` and a start by LD_PRELOAD.

With `check` against that one alone. Prints a line for each row; the status is 0 where all passed.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from credentials import Credentials
from table import BAD_ROWS, GOOD_ROWS

TIMEOUT = 20  # seconds; a row that reads a FIFO must not hang


def commands(build, ini):
    """How a file is put to use. None of the programs would serve anything were it started: they print and end."""
    shim = build / "lib/libtlsgraft.so"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TLSGRAFT_", "LD_"))}
    by_hand = {**clean, "LD_PRELOAD": str(shim), "TLSGRAFT_CONFIG": str(ini)}
    return {
        "check": ([build / "bin/tlsgraft", "check", ini], clean),
        "run": ([build / "bin/tlsgraft", "run", "-c", ini, "--", "/usr/sbin/nginx", "-v"], clean),
        "preload": (["/usr/sbin/nginx", "-v"], by_hand),
        "preload python3": (["/usr/bin/python3", "-c", "import ssl"], by_hand),
    }


def missing(expected, output):
    """The expected messages that no line of the output is, with or without the program's name before it."""
    lines = output.splitlines()
    return [one for one in expected if not any(re.fullmatch(r"(.*[:/ ])?" + one, line) for line in lines)]


def run(command, environment):
    """Status and everything that was printed."""
    try:
        done = subprocess.run([str(word) for word in command], env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as late:
        return "no end", (late.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def judge(row, ways):
    """What is wrong, in words; empty: nothing."""
    wrong = []
    for way, (command, environment) in ways.items():
        status, output = run(command, environment)
        if status != row.status:
            wrong.append(f"{way}: status {status} instead of {row.status}: {output.strip()}")
        wrong += [f"{way}: not said: {one}\n    but: {output.strip()}" for one in missing(row.expected, output)]
    return wrong


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["check"]):
        print(__doc__.strip(), file=sys.stderr)
        return 64
    build = Path(sys.argv[1]).resolve()
    only_check = sys.argv[2:] == ["check"]
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="tlsgraft-config-") as folder:
        credentials = Credentials(folder)
        credentials.make()
        ini = Path(folder) / "site.ini"
        for row in BAD_ROWS + GOOD_ROWS:
            if row.needs_root and os.geteuid() != 0:
                print(f"SKIP {row.name}: needs root")
                continue
            ini.write_bytes(row.text)
            ini.chmod(row.mode)
            ways = commands(build, ini)
            # A good file would start the program: `check` alone says what a start would find.
            wrong = judge(row, {"check": ways["check"]} if only_check or row.status != 78 else ways)
            print(f"{'FAIL' if wrong else 'ok  '} {row.name}")
            for reason in wrong:
                print(f"     {reason}")
            passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
