# SPDX-License-Identifier: Apache-2.0
"""Servers and clients that speak Multipath TCP (RFC 8684): served by either engine as by TCP."""

import socket

from support.live import Live
from support.procs import wait_until

from plaintext.test_first import GREETING, FirstCase


class MptcpLive(Live):
    """Live, over Multipath TCP as far as the other side speaks it."""

    @staticmethod
    def open(port, source):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
        made.settimeout(10)
        made.bind((source, 0))
        made.connect(("127.0.0.1", port))
        return made


class Mptcp(FirstCase):
    def one(self, engine, way, wanted, request=b""):
        server = self.started(way, engine, protocol=socket.IPPROTO_MPTCP)
        for kind in (MptcpLive, Live):
            for _ in range(2):
                with kind(server.port, self.pki.clients["good"]) as client:
                    said = client.ask(request, lambda data: data == wanted)
                    self.assertEqual(said, wanted)
        with self.assertRaises(OSError), MptcpLive(server.port, None) as client:
            # a client without a certificate sees in TLS 1.3 only now that it was refused
            if not client.ask(request) or client.broken:
                raise ConnectionError("refused")
        wait_until(lambda: self.section(server)["handshakes"]["refused"] == 1, 5, "a refusal")
        section = self.section(server)
        self.assertEqual(section["handshakes"]["accepted"], 4)
        self.assertEqual(section["plaintext"]["closed"], 0)
        return section["plaintext"]

    def section(self, server):
        return self.graft.status(server.pid)["sections"][0]

    def test_relay(self):
        self.assertEqual(self.one("relay", "loop_epoll", GREETING + b"hello", b"hello")["relayed"], 5)

    def test_direct(self):
        self.assertEqual(self.one("direct", "loop_epoll", GREETING + b"hello", b"hello")["direct"], 5)

    def test_auto(self):
        """From one engine to the other."""
        counters = self.one("auto", "closes", GREETING)
        self.assertEqual((counters["direct"], counters["relayed"]), (5, 5))

    def test_much(self):
        for engine in ("auto", "relay"):
            with self.subTest(engine):
                self.one(engine, "writes_much", GREETING + b"x" * 150000)
