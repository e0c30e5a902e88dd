# SPDX-License-Identifier: Apache-2.0
"""The product under test: its files, its INI, its commands."""

import json
import os
import shutil
import subprocess
from pathlib import Path


class Graft:
    def __init__(self, build, sanitizer=None):
        self.build = Path(build).resolve()
        self.cli = self.build / "bin" / "tlsgraft"
        self.shim = self.build / "lib" / "libtlsgraft.so"
        self.keeper = self.build / "libexec" / "tlsgraft" / "tlsgraft-keeper"
        self.sanitizer = sanitizer  # the runtime that a sanitized shim needs in an ordinary program
        for path in (self.cli, self.shim, self.keeper):
            if not path.exists():
                raise SystemExit(f"{path}: not built")

    def copy_to(self, root):
        """What is installed, beside each other as the parts expect, below `root`."""
        for source in (self.cli, self.shim, self.keeper, self.keeper.with_name("tlsgraft-relay")):
            target = root / source.relative_to(self.build)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source.resolve(), target)
        for path in self.shim.parent.glob("libtlsgraft-loader.so*"):
            shutil.copy(path, root / "lib" / path.name)
        return Graft(root, self.sanitizer)

    def environment(self):
        """For `tlsgraft run`, and for every other command."""
        if not self.sanitizer:
            return {}
        return {
            "LD_PRELOAD": str(self.sanitizer),
            "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0:exitcode=99",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        }

    def run(self, ini, *options):
        """The words before a command that is to be grafted."""
        return [self.cli, "run", "-c", ini, *options, "--"]

    def preload(self, ini):
        """The same by hand: an environment."""
        made = self.environment()
        made["LD_PRELOAD"] = ":".join(filter(None, [str(self.shim), made.get("LD_PRELOAD", "")]))
        if ini:
            made["TLSGRAFT_CONFIG"] = str(ini)
        return made

    def command(self, *words, timeout=30, environment=None):
        """`tlsgraft WORDS`: a finished process with texts."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("TLSGRAFT_")}
        if self.sanitizer:
            env["ASAN_OPTIONS"] = "detect_leaks=0"
        env.update(environment or {})
        return subprocess.run(
            [str(self.cli), *map(str, words)], capture_output=True, text=True, timeout=timeout, check=False, env=env,
            stdin=subprocess.DEVNULL,
        )

    def reload(self, pid):
        return self.command("reload", pid)

    def status(self, pid):
        """The tree's object of `status --json`, or None where there is no such tree."""
        return self.tree_of(self.command("status", "--json", pid))

    @staticmethod
    def tree_of(done):
        """The first tree of a `status --json` that has run; what it printed is JSON or nothing."""
        trees = json.loads(done.stdout) if done.stdout.strip() else []
        return trees[0] if trees else None


def write_ini(path, sections):
    """`sections`: {name: {key: value or list of values (a repeated key) or None (left out)}}. Replaced in one step."""
    lines = []
    for name, keys in sections.items():
        lines.append(f"[{name}]")
        for key, value in keys.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one is not None:
                    lines.append(f"{key} = {one}")
        lines.append("")
    path = Path(path)
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(lines))
    os.replace(fresh, path)
    return path
