#!/usr/bin/python3
"""Tests against real servers: run.py BUILD_DIR [--asan BUILD_DIR] [-k PATTERN] [--list] [--keep]

Prints one line for each test and at last 'N passed, N failed'; the status is 0 only where none failed. With --asan only
what is marked for it runs, with a sanitized shim inside the servers.
"""

import argparse
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support import procs  # noqa: E402
from support.case import Context  # noqa: E402
from support.graft import Graft  # noqa: E402


class Result(unittest.TestResult):
    """One line for each test, at once."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self.failed = 0
        self._began = 0.0
        self._bad = False

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()
        self._bad = False

    def stopTest(self, test):
        super().stopTest(test)
        if self._bad:
            self.failed += 1
        else:
            self.passed += 1
        word = "FAILED" if self._bad else "ok    "
        print(f"{word} {name_of(test)} ({time.monotonic() - self._began:.1f} s)", flush=True)

    def _fault(self, test, error):
        self._bad = True
        print(f"  {test}: {self._exc_info_to_string(error, test)}", flush=True)

    def addError(self, test, err):
        self._fault(test, err)

    def addFailure(self, test, err):
        self._fault(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._fault(subtest, err)


def name_of(test):
    return test.id().removeprefix("servers.")


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def find_tests(pattern, asan):
    folder = Path(__file__).resolve().parent
    loader = unittest.TestLoader()
    found = []
    for path in sorted(folder.glob("test_*.py")):
        found += flatten(loader.loadTestsFromName(f"servers.{path.stem}"))
    if asan:
        found = [test for test in found if getattr(getattr(test, test._testMethodName), "under_asan", test.under_asan)]
    if pattern:
        found = [test for test in found if fnmatch.fnmatch(name_of(test), f"*{pattern}*")]
    return found


def sanitizer_runtime(shim):
    """The runtime that the instrumented shim needs; refuses a build that is not instrumented."""
    symbols = subprocess.run(["nm", "-D", shim], capture_output=True, text=True, check=True).stdout
    if "__asan_" not in symbols:
        raise SystemExit(f"{shim}: not an AddressSanitizer build")
    listed = subprocess.run(["ldd", shim], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        if "libasan" in line and "=>" in line:
            return line.split("=>")[1].split()[0]
    raise SystemExit(f"{shim}: does not name the sanitizer's runtime; build it with gcc")


def leftovers():
    """What tests left running; keepers have 3 seconds to notice the end of their tree."""
    def none_left():
        procs.reap_orphans()
        return not procs.descendants(os.getpid())

    try:
        procs.wait_until(none_left, 5, "")
        return []
    except AssertionError:
        return procs.descendants(os.getpid())


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("build")
    options.add_argument("--asan", metavar="BUILD_DIR")
    options.add_argument("-k", metavar="PATTERN", dest="pattern")
    options.add_argument("--list", action="store_true")
    options.add_argument("--keep", action="store_true", help="leave the folder with all logs")
    chosen = options.parse_args()

    os.environ["LC_ALL"] = "C"
    os.umask(0o022)
    tests = find_tests(chosen.pattern, chosen.asan)
    if chosen.list:
        print("\n".join(name_of(test) for test in tests))
        return 0

    if chosen.asan:
        Context.graft = Graft(chosen.asan, sanitizer_runtime(Path(chosen.asan) / "lib" / "libtlsgraft.so"))
    else:
        Context.graft = Graft(chosen.build)
    procs.become_subreaper()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit cleans up as Ctrl-C does
    home = Path(tempfile.mkdtemp(prefix="tlsgraft-servers-"))
    home.chmod(0o755)  # workers that dropped their user read their documents here
    Context.home = home
    result = Result()
    try:
        for test in tests:
            test.run(result)
            procs.reap_orphans()
        left = leftovers()
        if left:
            result.failed += 1
            lines = "".join(f"  {pid}: {procs.command_line(pid)}\n" for pid in left)
            print(f"FAILED left running after all tests:\n{lines}", end="")
    finally:
        for pid in procs.descendants(os.getpid()):  # interrupted in the middle of a test
            procs.kill(pid)
        if chosen.keep:
            print(f"kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    if not tests:
        print("no test has such a name")
        return 1
    print(f"{result.passed} passed, {result.failed} failed")
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
