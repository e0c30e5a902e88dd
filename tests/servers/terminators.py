# SPDX-License-Identifier: Apache-2.0
"""stunnel and hitch in front of a plaintext HTTP server."""

import signal

from support import procs
from support.backend import Backend
from support.facts import OwnReload
from support.pki import HOSTS
from support.server import HttpServer

_STUNNEL = """
foreground = yes
pid =
setuid = stunnel4
setgid = stunnel4
debug = info
[one]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
cert = {home}/own0.pem
key = {home}/own0.key
[two]
sni = one:{second}
connect = 127.0.0.1:{backend}
cert = {home}/own1.pem
key = {home}/own1.key
"""

_HITCH = """
frontend = "[127.0.0.1]:{port}"
backend = "[127.0.0.1]:{backend}"
pem-file = "{home}/own1.both"
pem-file = "{home}/own0.both"
user = "_hitch"
group = "_hitch"
workers = 2
daemon = off
log-filename = "{home}/hitch.log"
"""


class Terminator(HttpServer):
    """Ends TLS and passes the bytes on."""

    config = "?"

    def configure(self):
        self.backend = Backend()
        (self.home / f"{self.name}.conf").write_text(
            self.config.format(home=self.home, port=self.port, backend=self.backend.port, second=HOSTS[1])
        )

    def stop(self):
        clean = super().stop()
        if self.backend:
            self.backend.stop()
            self.backend = None
        return clean


class Stunnel(Terminator):
    name = "stunnel"
    executable = "/usr/bin/stunnel4"
    package = "stunnel4"
    user = "stunnel4"
    config = _STUNNEL
    notes = "on SIGHUP it reads its own keys again, as its user"
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, says="Configuration successful"),)

    def configure(self):
        super().configure()
        for number in range(len(self.own)):
            self.readable(f"own{number}.key")

    def command(self):
        return [self.executable, self.home / "stunnel.conf"]


class Hitch(Terminator):
    name = "hitch"
    executable = "/usr/sbin/hitch"
    user = "_hitch"
    config = _HITCH
    processes = 2
    reuses_port = True
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, replaces=True),)

    def command(self):
        return [self.executable, "--config", self.home / "hitch.conf"]

    def serving(self):
        """One more process fetches OCSP responses."""
        return [pid for pid in self.workers() if procs.listens(pid, self.port)]
