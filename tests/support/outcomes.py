# SPDX-License-Identifier: Apache-2.0
"""outcomes.py MODULE FILE: runs the tests of a module and writes {test: outcome} as JSON."""

import json
import sys
import unittest


class Outcomes(unittest.TestResult):
    """Every test's outcome, by its name; a test in which a part failed is no success."""

    def __init__(self):
        super().__init__()
        self.outcomes = {}

    def stopTest(self, test):
        super().stopTest(test)
        self.outcomes.setdefault(test.id(), "ok")

    def addFailure(self, test, err):
        self.outcomes[test.id()] = "failure"

    def addError(self, test, err):
        self.outcomes[test.id()] = "error"

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.outcomes[test.id()] = "failure"

    def addSkip(self, test, reason):
        self.outcomes[test.id()] = f"skipped: {reason}"

    def addExpectedFailure(self, test, err):
        self.outcomes[test.id()] = "expected failure"

    def addUnexpectedSuccess(self, test):
        self.outcomes[test.id()] = "unexpected success"


if __name__ == "__main__":
    result = Outcomes()
    unittest.defaultTestLoader.loadTestsFromName(sys.argv[1]).run(result)
    with open(sys.argv[2], "w") as file:
        json.dump(result.outcomes, file, indent=1)
