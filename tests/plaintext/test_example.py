# SPDX-License-Identifier: Apache-2.0
"""The example of the README."""

import os
import subprocess
from pathlib import Path

from support.case import ServerCase
from support.ports import free_port

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plaintext" / "redis.sh"


class Example(ServerCase):
    def test_redis(self):
        path = f"{self.graft.cli.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            [_EXAMPLE], env={**os.environ, "PATH": path, "PORT": str(free_port())}, capture_output=True, text=True, timeout=60,
            check=False,
        )
        said = f"{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, 0, said)
        words = [line.split()[0] for line in said.splitlines() if line.startswith(("served", "refused", "FAILED"))]
        self.assertEqual(words, ["served", "refused", "refused", "refused", "served"], said)
