# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of one folder: one line for each test, at last 'N passed, N failed'."""

import argparse
import fnmatch
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from support import procs
from support.case import Context
from support.graft import Graft


class Result(unittest.TestResult):
    """One line for each test, at once."""

    def __init__(self, name_of):
        super().__init__()
        self.name_of = name_of
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
        self.failed += self._bad
        self.passed += not self._bad
        say(f"{'FAILED' if self._bad else 'ok    '} {self.name_of(test)} ({time.monotonic() - self._began:.1f} s)")

    def _fault(self, test, error):
        self._bad = True
        say(f"  {test}: {self._exc_info_to_string(error, test)}")

    def addError(self, test, err):
        self._fault(test, err)

    def addFailure(self, test, err):
        self._fault(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._fault(subtest, err)


def say(text):
    """One write for each text: the lines of several processes do not mix."""
    os.write(1, (text + "\n").encode())


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def find_tests(folder, package, pattern, asan, name_of):
    loader = unittest.TestLoader()
    found = []
    for path in sorted(folder.glob("test_*.py")):
        found += flatten(loader.loadTestsFromName(f"{package}.{path.stem}" if package else path.stem))
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


def run(tests, take, home, name_of):
    """Runs what `take` hands out, in this process; (passed, failed)."""
    procs.become_subreaper()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit cleans up as Ctrl-C does
    home.mkdir(exist_ok=True)
    home.chmod(0o755)  # workers that dropped their user read their documents here
    Context.home = home
    result = Result(name_of)
    try:
        for number in take:
            tests[number].run(result)
            procs.reap_orphans()
        left = leftovers()
        if left:
            result.failed += 1
            lines = "".join(f"  {pid}: {procs.command_line(pid)}\n" for pid in left)
            say(f"FAILED left running after all tests:\n{lines}")
    finally:
        for pid in procs.descendants(os.getpid()):  # interrupted in the middle of a test
            procs.kill(pid)
    return result.passed, result.failed


def _worker(tests, next_number, home, name_of, pipe):
    def take():
        while True:
            with next_number.get_lock():
                number = next_number.value
                next_number.value += 1
            if number >= len(tests):
                return
            yield number

    pipe.send(run(tests, take(), home, name_of))


def run_side_by_side(tests, jobs, home, name_of):
    """As `run`, in `jobs` processes that each take the next test when they are free."""
    fork = multiprocessing.get_context("fork")
    next_number = fork.Value("i", 0)
    workers = []
    for number in range(jobs):
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=_worker, args=(tests, next_number, home / f"job{number}", name_of, theirs))
        process.start()
        theirs.close()
        workers.append((process, ours))
    passed = failed = 0
    try:
        for process, pipe in workers:
            try:
                counts = pipe.recv()
            except EOFError:
                counts = (0, 1)
                say("FAILED a process that runs tests ended early")
            passed, failed = passed + counts[0], failed + counts[1]
            process.join()
    except KeyboardInterrupt:
        for process, _ in workers:
            process.terminate()
        for process, _ in workers:
            process.join()
        raise
    return passed, failed


def main(description, folder, package="", switches=None, finish=None):
    """`package`: how the test modules of `folder` are imported; "" where they stand on sys.path themselves.

    `switches`: {"--name": help} of this folder's own. `finish(chosen, results, failed)` sees what the tests left in the
    folder Context.results, and says how many more tests passed and failed.
    """
    options = argparse.ArgumentParser(description=description)
    options.add_argument("build")
    options.add_argument("--asan", metavar="BUILD_DIR", help="a sanitized shim inside the servers; only what is marked for it")
    options.add_argument("-k", metavar="PATTERN", dest="pattern")
    options.add_argument("-j", metavar="N", dest="jobs", type=int, default=1, help="tests side by side")
    options.add_argument("--list", action="store_true")
    options.add_argument("--keep", action="store_true", help="leave the folder with all logs")
    for switch, text in (switches or {}).items():
        options.add_argument(switch, action="store_true", help=text)
    chosen = options.parse_args()

    def name_of(test):
        return test.id().removeprefix(f"{package}.")

    os.environ["LC_ALL"] = "C"
    os.umask(0o022)
    tests = find_tests(folder, package, chosen.pattern, chosen.asan, name_of)
    if chosen.list:
        print("\n".join(name_of(test) for test in tests))
        return 0
    if not tests:
        print("no test has such a name")
        return 1

    if chosen.asan:
        Context.graft = Graft(chosen.asan, sanitizer_runtime(Path(chosen.asan) / "lib" / "libtlsgraft.so"))
    else:
        Context.graft = Graft(chosen.build)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="tlsgraft-tests-"))
    home.chmod(0o755)
    Context.results = home / "results"
    Context.results.mkdir()
    try:
        if chosen.jobs > 1:
            passed, failed = run_side_by_side(tests, chosen.jobs, home, name_of)
        else:
            passed, failed = run(tests, range(len(tests)), home, name_of)
        if finish:
            more = finish(chosen, Context.results, failed)
            passed, failed = passed + more[0], failed + more[1]
    finally:
        if chosen.keep:
            say(f"kept: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def start(file, description, package="", **more):
    """For run.py of a folder of tests; `more`: see main."""
    sys.exit(main(description, Path(file).resolve().parent, package, **more))
