# SPDX-License-Identifier: Apache-2.0
"""Debian's Node.js, whose OpenSSL is Debian's libssl. Unpacked, not installed: another vendor's may be there."""

import subprocess
from pathlib import Path

from support.pki import HOSTS
from support.server import HttpServer

_UNPACKED = Path(__file__).resolve().parents[2] / "build-unpacked"
_PROGRAM = Path(__file__).resolve().parent.parent / "support" / "https_server.js"


class Node(HttpServer):
    name = "nodejs"
    title = "Node.js (Debian's)"
    executable = _UNPACKED / "nodejs/usr/bin/node"
    run_user = "www-data"
    notes = "other vendors' builds have an OpenSSL of their own inside and cannot be grafted"
    hangup_ends = True
    libraries = {"LD_LIBRARY_PATH": str(_UNPACKED / "libnode108/usr/lib/x86_64-linux-gnu")}

    @classmethod
    def version(cls):
        done = subprocess.run([cls.executable, "--version"], env=cls.libraries, capture_output=True, text=True, check=True)
        return ".".join(done.stdout.strip().lstrip("v").split(".")[:2])

    def configure(self):
        pass

    def start(self, wrap=(), environment=None, wait=True):
        return super().start(wrap, {**self.libraries, **(environment or {})}, wait)

    def command(self):
        hosts = []
        for number in range(len(self.own)):
            hosts += [HOSTS[number], self.home / f"own{number}.pem", self.home / f"own{number}.key"]
        return [self.executable, _PROGRAM, self.port, *hosts]
