#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Attacks of clients without a valid certificate on real servers. The status is 0 only where every one failed."""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support import runner  # noqa: E402

from attack.catalogue import ATTEMPTS, Notes  # noqa: E402
from attack.report import render  # noqa: E402


def main():
    with tempfile.TemporaryDirectory(prefix="tlsgraft-attack-") as folder:
        Notes.path = os.path.join(folder, "rows")
        status = runner.main(__doc__, Path(__file__).resolve().parent, "attack")
        rows = Notes.read()
    if "--list" in sys.argv:
        return status
    a_part = "-k" in sys.argv or os.environ.get("TLSGRAFT_ATTACK")
    text, good = render(rows, () if a_part else [attempt.title for attempt in ATTEMPTS])
    print(text)
    return status or not good


if __name__ == "__main__":
    sys.exit(main())
