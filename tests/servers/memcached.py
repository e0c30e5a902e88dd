# SPDX-License-Identifier: Apache-2.0
"""memcached, which drops to its user; ten threads."""

from support.facts import OwnReload
from support.server import Server


def refresh(server):
    """It loads its own certificate anew, into the same context."""
    answer = server.ask(b"refresh_certs\r\nquit\r\n")
    if answer != b"OK\r\n":
        raise AssertionError(f"refresh_certs: {answer!r}")


class Memcached(Server):
    name = "memcached"
    executable = "/usr/bin/memcached"
    user = "memcache"
    own_reloads = (OwnReload("refresh_certs", refresh, shows=lambda server: True),)
    notes = "reads its own key as its user when told to refresh_certs"
    client_input = b"version\r\nquit\r\n"

    def configure(self):
        self.readable("own0.key")

    def command(self):
        return [
            self.executable, "-u", "memcache", "-l", "127.0.0.1", "-p", self.port, "-U", 0, "-Z", "-v",
            "-o", f"ssl_chain_cert={self.home}/own0.pem,ssl_key={self.home}/own0.key",
        ]

    def request(self, host):
        return b"version\r\nquit\r\n"

    def is_answer(self, data, host):
        return data == b"VERSION 1.6.18\r\n"

    def conversation(self, host):
        return [(b"version\r\n", b"\r\n")]

    def client_served(self, done):
        return b"VERSION 1.6.18" in done.stdout
