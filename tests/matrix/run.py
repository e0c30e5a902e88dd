#!/usr/bin/python3
"""The compatibility matrix: every column, measured on every server; prints docs/COMPATIBILITY.md and compares it.

--write puts what was measured there instead; with -k the rows of other servers stay as they are.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from matrix import page  # noqa: E402
from support import runner  # noqa: E402

PAGE = Path(__file__).resolve().parents[2] / "docs" / "COMPATIBILITY.md"


def finish(chosen, results, failed):
    """Compares, or writes; (passed, failed) of this one check."""
    measured = {}
    for path in sorted(results.glob("*.json")):
        row = json.loads(path.read_text())
        measured[row["title"]] = row["cells"]
    committed = PAGE.read_text() if PAGE.exists() else ""
    rows = {**page.parse(committed), **measured} if chosen.pattern else measured
    runner.say(page.tables(measured))
    wrong = page.faults(rows)
    if chosen.write:
        if failed or wrong:
            wrong.append("not written: only what has no fault is")
        else:
            PAGE.write_text(page.render(rows))
    else:
        wrong += page.differences(page.parse(committed), measured)
        if not wrong and page.render(rows) != committed:
            wrong.append(f"{PAGE.name} is not what the rows give: write it anew with --write")
    for line in wrong:
        runner.say(f"  {line}")
    runner.say(f"{'FAILED' if wrong else 'ok    '} the page and what was measured")
    return (0, 1) if wrong else (1, 0)


if __name__ == "__main__":
    runner.start(__file__, __doc__, "matrix", switches={"--write": "write docs/COMPATIBILITY.md"}, finish=finish)
