# SPDX-License-Identifier: Apache-2.0
"""A threaded HTTPS server on Debian's python3 ssl module, which an unhandled SIGHUP ends."""

from pathlib import Path

from support.pki import HOSTS
from support.server import HttpServer

_PROGRAM = Path(__file__).resolve().parent.parent / "support" / "https_server.py"


class PythonSsl(HttpServer):
    name = "python3"
    executable = "/usr/bin/python3"
    title = "python3 ssl (http.server)"
    package = "python3"
    run_user = "www-data"
    hangup_ends = True

    def __init__(self, home, own, native=None, method="PROTOCOL_TLS_SERVER"):
        self.method = method
        super().__init__(home, own, native)

    def configure(self):
        pass

    def command(self):
        native = [self.native.ca.cert, self.native.crl] if self.native else ["-", "-"]
        hosts = []
        for number in range(len(self.own)):
            hosts += [HOSTS[number], self.home / f"own{number}.pem", self.home / f"own{number}.key"]
        return [self.executable, _PROGRAM, self.method, self.port, *native, *hosts]
