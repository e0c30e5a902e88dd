#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of keeper and command line as processes, as root. The status is 0 only where none failed."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

from support import runner  # noqa: E402

if __name__ == "__main__":
    runner.start(__file__, __doc__)
