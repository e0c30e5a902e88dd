# SPDX-License-Identifier: Apache-2.0
"""Which folder includes which, against the table of CONTRIBUTING.md: each may include what stands above it there."""

import os
import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = re.compile(r"^\| `([a-z/]+)` \| [^|]+ \|$", re.M)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)

# (file, header): why it includes what stands below it.
MEANT = {
    ("interest.c", "descriptors.h"): "whether a number is still this stream's",
    ("epolls.c", "fd_bitmap.h"): "one bit follows both tables",
    ("stream_bio.c", "readiness.h"): "whether a thread sleeps until the socket is readable",
    ("stream_cork.c", "readiness.h"): "what was corked goes out before its process waits",
    ("stream_cork.c", "descriptors.h"): "the same",
}


def files(*patterns):
    """Of the project, by the pattern of their names; not what was built."""
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith(("build", ".git", "node_modules", "__pycache__"))]
        found += [Path(folder, name) for name in sorted(names) if any(fnmatch(name, pattern) for pattern in patterns)]
    return found


def rooms():
    """The folders in their order."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return TABLE.findall(text[text.index("## Finding your way"):text.index("## Adding a hook")])


def arrows(order):
    """(file, header) of every include that goes down the table; the folders of which no include was seen, or that are not in it."""
    wrong, strange = set(), set()
    for path in files("*.c", "*.h"):
        room = str(path.parent.relative_to(ROOT))
        if room.split("/")[0] in ("tests", "bench", "examples", "include", "docs"):
            continue
        if room not in order:
            strange.add(room)
            continue
        for header in INCLUDE.findall(path.read_text()):
            other = str(Path(header).parent)
            if other in order and order.index(other) > order.index(room):
                wrong.add((path.name, Path(header).name))
            elif other not in order and not header.startswith(("tlsgraft/", "tests/")):
                strange.add(other)
    return wrong, strange
