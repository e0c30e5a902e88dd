#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plaintext servers under tlsgraft: each through TLS and without it; prints the second part of docs/COMPATIBILITY.md.

--write puts what was measured there instead of comparing; with -k the rows of other servers stay as they are.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from plaintext.page import PART  # noqa: E402
from support import runner  # noqa: E402

PAGE = Path(__file__).resolve().parents[2] / "docs" / "COMPATIBILITY.md"


def finish(chosen, results, failed):
    return PART.finish(PAGE, chosen, results, failed, runner.say)


if __name__ == "__main__":
    runner.start(__file__, __doc__, "plaintext", switches={"--write": "write docs/COMPATIBILITY.md"}, finish=finish)
