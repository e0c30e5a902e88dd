#!/usr/bin/python3
"""Tests of keeper and command line as processes: run.py BUILD_DIR [-k PATTERN]

Prints one line for each test and at last 'N passed, N failed'; the status is 0 only where none failed. As root.
"""

import argparse
import fnmatch
import importlib
import sys
import time
import unittest
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

case = importlib.import_module("case")


class Result(unittest.TestResult):
    """One line for each test, at once."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0
        self._bad = False
        self._began = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._bad = False
        self._began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        self.failed += self._bad
        self.passed += not self._bad
        print(f"{'FAILED' if self._bad else 'ok    '} keeper: {test.id()} ({time.monotonic() - self._began:.1f} s)", flush=True)

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


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("build")
    options.add_argument("-k", metavar="PATTERN", dest="pattern")
    chosen = options.parse_args()
    case.BUILD = Path(chosen.build).resolve()
    loader = unittest.TestLoader()
    result = Result()
    for path in sorted(FOLDER.glob("test_*.py")):
        for test in flatten(loader.loadTestsFromName(path.stem)):
            if not chosen.pattern or fnmatch.fnmatch(test.id(), f"*{chosen.pattern}*"):
                test.run(result)
    print(f"{result.passed} passed, {result.failed} failed")
    return 0 if result.failed == 0 and result.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
