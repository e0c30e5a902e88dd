# SPDX-License-Identifier: Apache-2.0
"""The table of locks (shim/binding/locks.def): what docs/design/process.md shows of it, and that no lock stands beside it."""

import re

from docs.rooms import ROOT, files

ROW = re.compile(r'^TG_LOCK\((\w+), (NOTHING|CRYPTO), (ONE|SOME), "([^"]+)"\)$', re.M)
RAW = re.compile(r"\b(?:pthread_(?:mutex|rwlock|spin|cond)_\w+|(?:mtx|cnd|sem)_\w+|PTHREAD_\w*MUTEX_INITIALIZER)\b")
NAMED = re.compile(r"\bTG_(?:LOCK|TABLE)_INITIALIZER\((?:struct \w+, )?(\w+)\)|\btg_lock_init\([^,]+, TG_RANK_(\w+)\)")


def rows():
    return ROW.findall((ROOT / "shim/binding/locks.def").read_text())


def table():
    """As in docs/design/process.md."""
    calls = {"NOTHING": "never", "CRYPTO": "libssl, libcrypto"}
    lines = ["| lock | protects | held across calls of |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {text} | {calls[what]} |" for name, what, _, text in rows()])


def sources():
    for path in files("*.c", "*.h"):
        name = str(path.relative_to(ROOT))
        if name.startswith(("shim/", "ipc/")):
            yield name, path.read_text()


def raw():
    """(file, name) of what takes, makes or waits for a lock that has no rank."""
    own = ("shim/binding/lock.h", "shim/binding/lock.c")
    return sorted({(name, word) for name, text in sources() if name not in own for word in RAW.findall(text)})


def made():
    """The ranks of which a lock is made somewhere."""
    skip = ("shim/binding/lock.h", "shim/binding/lock.c", "shim/policy/table.h")
    found = [pair for name, text in sources() if name not in skip for pair in NAMED.findall(text)]
    return {first or second for first, second in found}
