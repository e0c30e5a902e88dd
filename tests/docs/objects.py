# SPDX-License-Identifier: Apache-2.0
"""Which objects of the preloaded library call a function by a name that it hooks itself.

Such a call lands in our own hook: it takes the descriptor for one of the server's, it may wait for a lock that the caller
holds, and what it does then nobody wrote. What is below the hooks goes by tg_libc (shim/binding/libc.h), tg_openssl()
(shim/binding/openssl.h) or, in ipc/, by ipc/calls.h.
"""

import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# (source's file name, name): why the hook is meant. `*`: whichever.
MEANT = {
    ("hooks_syscall.c", "*"): "syscall(2) with a number is the call of that number",
    ("hooks_dlsym.c", "*"): "gives out the addresses of hooks",
    ("hooks_ssl_bio.c", "SSL_new"): "the SSL is the server's",
}


def hooks():
    return set(re.findall(r"^TG_HOOK\(\w+, (\w+)\)", (ROOT / "shim/binding/hooks.def").read_text(), re.M))


def linked(build):
    """What libtlsgraft.so is linked from, as the linker was told."""
    folder = Path(build, "shim")
    words = shlex.split((folder / "CMakeFiles/tlsgraft-shim.dir/link.txt").read_text())
    return [(folder / word).resolve() for word in words if word.endswith((".o", ".a"))]


def undefined(path):
    """(source, name) of every name that an object, or a member of an archive, takes from elsewhere."""
    listed = subprocess.run(["nm", "-A", "-u", "--format=posix", path], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        where, name = line.split()[:2]
        member = re.search(r"\[(.*)\.o\]:$", where)
        yield member[1] if member else path.name.removesuffix(".o"), name


def calls_of_hooks(build):
    """The same, of hooked names alone, a file of which all are meant counted once; and how many files were looked at."""
    names, paths = hooks(), linked(build)
    calls = {(source, name) for path in paths for source, name in undefined(path) if name in names}
    return {(source, "*") if (source, "*") in MEANT else (source, name) for source, name in calls}, len(paths)
