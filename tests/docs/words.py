# SPDX-License-Identifier: Apache-2.0
"""Names in C use the field's words: which words stand for nothing outside of this project, and what is said instead."""

import re

from docs.rooms import ROOT, files

PRIVATE = {
    "austere": "sandboxed",
    "bury": "dead descriptor, free, reap",
    "choked": "output full",
    "depart": "last close",
    "farewell": "close_notify",
    "floor": "protocol limits",
    "guest": "attached process",
    "guests": "attached processes",
    "herd": "many clients",
    "holder": "fd entry, key user",
    "memo": "handoff",
    "patience": "timeout, deadline",
    "shortcut": "without a certificate",
    "shortcuts": "without a certificate",
    "sly": "bypassing",
    "spoken": "TLS is terminated",
    "stranger": "untrusted",
    "told": "reported",
}
# The whole name of a function: it has to say what it finds, judges or takes.
BARE = ("answer", "ask", "begin", "find", "hold", "judge", "look", "mark", "own", "place", "say", "settle", "take", "tell")

PRODUCT = ("cli", "include", "ipc", "keeper", "loader", "relay", "shim")
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|"(?:[^"\\\n]|\\.)*"', re.S)
DEFINED = re.compile(rf"^static\b[^;{{=]*?\b({'|'.join(BARE)})\(", re.M)


def faults():
    """"file: name: what to say" for each name of the product's sources, and of their files, that is private."""
    found = []
    for path in files("*.c", "*.h", "*.def"):
        name = path.relative_to(ROOT)
        if name.parts[0] not in PRODUCT:
            continue
        code = COMMENT_OR_TEXT.sub(" ", path.read_text())
        for word in sorted({*re.findall(r"\w+", code), path.stem}):
            found += [f"{name}: {word}: {PRIVATE[part]}" for part in word.lower().split("_") if part in PRIVATE]
        found += [f"{name}: {word}(): of what?" for word in DEFINED.findall(code)]
    return found
