# SPDX-License-Identifier: Apache-2.0
"""Small C programs of the tests, compiled once for each run."""

import subprocess
from pathlib import Path

from support.case import Context

_SOURCES = Path(__file__).resolve().parent


def compiled(source, *options, name=None):
    """tests/support/SOURCE, or the text of a program, as a program or (with -shared) a library; its path."""
    folder = Path(Context.home) / "compiled"
    folder.mkdir(exist_ok=True)
    target = folder / (name or Path(source).stem)
    if not target.exists():
        command = ["cc", "-D_GNU_SOURCE", "-O1", "-Wall", "-o", str(target)]
        if name:
            subprocess.run([*command, "-xc", "-", *options], input=source, text=True, check=True)
        else:
            subprocess.run([*command, str(_SOURCES / source), *options], check=True)
    return target
