#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of `tlsgraft doctor` on real programs and processes. The status is 0 only where none failed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support import runner  # noqa: E402

if __name__ == "__main__":
    runner.start(__file__, __doc__, "doctor")
