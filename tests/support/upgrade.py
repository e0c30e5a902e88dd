# SPDX-License-Identifier: Apache-2.0
"""The product installed in a folder of its own, and other versions of it: what a package manager puts over the old files."""

import re
import shutil
import subprocess
from pathlib import Path

from support.case import Context
from support.graft import Graft

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("tlsgraft-shim", "tlsgraft-keeper", "tlsgraft-cli")


def own_layout():
    return int(re.search(r"^#define TG_LAYOUT (\d+)u", (ROOT / "ipc/layout.h").read_text(), re.M)[1])


def of_layout(number):
    """A build of this tree that calls its memory layout `number`."""
    folder = Path(Context.home) / f"layout{number}"
    steps = [
        ["cmake", "-S", ROOT, "-B", folder, f"-DTLSGRAFT_LAYOUT={number}", "-DTLSGRAFT_TESTS=OFF", "-DCMAKE_BUILD_TYPE=Debug"],
        ["cmake", "--build", folder, "-j2", "--target", *TARGETS],
    ]
    for step in steps:
        done = subprocess.run([*map(str, step)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"layout {number}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return folder


def install(build, prefix):
    """Puts a build's files under `prefix`, each in one step, as dpkg does: what runs keeps its old ones. A Graft of it."""
    for name in ("bin/tlsgraft", "lib/libtlsgraft.so", "libexec/tlsgraft/tlsgraft-keeper"):
        target = Path(prefix) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".dpkg-new")
        shutil.copy2(Path(build) / name, fresh)
        fresh.replace(target)
    return Graft(prefix)
