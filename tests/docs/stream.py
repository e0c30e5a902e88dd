# SPDX-License-Identifier: Apache-2.0
"""docs/stream.md against the code: which file changes which part of a stream."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "shim/direct/stream"
ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| `\w+\.h` \| ([^|]+) \|$", re.M)


def documented():
    """{part: files}, of those that files of this folder change."""
    rows = ROW.findall((ROOT / "docs/stream.md").read_text())
    return {part: set(re.findall(r"`(\w+\.c)`", files)) for part, files in rows if ".c`" in files}


def changes(text, part):
    """An assignment to the part or a member of it, or its address given to what changes it."""
    member = rf"\b(stream|before|first)->{part}(\.\w+)*"
    assigned = rf"{member} (=|\+=|-=) |\+\+{member}"
    given = rf"(tg_bytes_(add|use|free|reserve)|atomic_store_explicit|tg_shares_(add|remove))\((&[\w.]+, )?&{member}"
    return re.search(f"{assigned}|{given}", text) is not None


def found(parts):
    texts = {path.name: path.read_text() for path in FOLDER.glob("*.c")}
    return {part: {name for name, text in texts.items() if changes(text, part)} for part in parts}


def differences():
    """Lines for who reads what failed; how many parts the page has."""
    page = documented()
    return [f"{part}: {sorted(files)}" for part, files in found(page).items() if files != page[part]], len(page)
