# SPDX-License-Identifier: Apache-2.0
"""Why clients of plaintext servers are refused, by each engine: counted, and told in the keeper's log."""

import re

from support.live import Live
from support.procs import wait_until

from plaintext.listener import Listener


class Refused(Listener):
    def reported(self, reason, words):
        """One more of `reason` in status, and a line about it in the log."""
        said = re.compile(rf"info: refused client 127\.0\.0\.\d+:\d+ in \[listener plain\]: {reason}: .*{words}")
        wait_until(lambda: said.search(self.log()), 5, f"{said.pattern} in {self.log()}")
        wait_until(lambda: self.refusals().get(reason) == 1, 5, f"one {reason} in {self.refusals()}")

    def refusals(self):
        found = self.graft.status(self.server.pid)["sections"][0]["refused_by"]
        return {reason: count for reason, count in found.items() if count}

    def log(self):
        return (self.home / "keeper.log").read_text()

    def each(self, engine):
        self.start(sections={"tlsgraft": {"log": self.home / "keeper.log"}}, engine=engine, handshake_timeout=1)
        self.by_tls().close()
        self.assert_shut_out(self.by_tls(self.pki.clients["expired"]))
        self.reported("expired", r"certificate has expired \(error 10 at depth 0\), subject CN=client$")
        self.assert_shut_out(self.opened(Live(self.server.port, None)))
        self.reported("no_certificate", "peer did not return a certificate")
        plain = self.bare()
        plain.socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
        wait_until(plain.ended, 10, "the end of a client in plaintext")
        self.reported("malformed", "does not speak TLS")
        # a health check, and a client that says less than it must
        self.bare().close()
        silent = self.bare()
        wait_until(silent.ended, 10, "the end of a handshake that never comes")
        self.reported("timeout", "no finished handshake within handshake_timeout")
        self.assertEqual(set(self.refusals()), {"expired", "no_certificate", "malformed", "timeout"})
        self.assertEqual(len(re.findall("refused client", self.log())), 4)

    def test_each_reason(self):
        self.each("direct")

    def test_each_reason_at_the_relay(self):
        self.each("relay")
