# SPDX-License-Identifier: Apache-2.0
"""coturn: STUN over TLS 1.2, threads on libevent, as the user turnserver."""

import signal

from support.facts import OwnReload
from support.ports import free_port
from support.server import Server

_CONFIG = """
listening-ip=127.0.0.1
relay-ip=127.0.0.1
listening-port={plain}
tls-listening-port={port}
cert={home}/own0.pem
pkey={home}/own0.key
no-udp
no-dtls
no-cli
no-auth
realm=one.example
userdb={home}/var/users
pidfile={home}/var/turnserver.pid
log-file=stdout
simple-log
{native}
"""

_COOKIE = bytes.fromhex("2112a442")
_NUMBER = b"tlsgraft-now"  # 12 bytes
_BINDING = bytes.fromhex("00010000") + _COOKIE + _NUMBER  # a request, RFC 8489 section 5


class Coturn(Server):
    name = "coturn"
    executable = "/usr/bin/turnserver"
    user = run_user = "turnserver"
    own_reloads = (OwnReload("SIGUSR2", signal.SIGUSR2, says="Reloading TLS certificates"),)
    client_input = _BINDING
    versions = ("1.2",)
    version_limits = {"1.3": "this release goes up to 1.2"}

    def configure(self):
        (self.home / "var").mkdir()
        native = f"CA-file={self.native.ca.cert}" if self.native else ""
        (self.home / "turnserver.conf").write_text(
            _CONFIG.format(home=self.home, port=self.port, plain=free_port(), native=native)
        )

    def command(self):
        return [self.executable, "-c", self.home / "turnserver.conf"]

    def request(self, host):
        return _BINDING

    def conversation(self, host):
        return [(self.request(host), _COOKIE + _NUMBER)]

    def client_served(self, done):
        return _COOKIE + _NUMBER in done.stdout

    def is_whole(self, data):
        return len(data) >= 20 and len(data) >= 20 + int.from_bytes(data[2:4], "big")

    def is_answer(self, data, host):
        return self.is_whole(data) and data[:2] == b"\x01\x01" and data[4:20] == _COOKIE + _NUMBER
