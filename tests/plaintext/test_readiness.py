# SPDX-License-Identifier: Apache-2.0
"""Event loops: what select, poll and epoll say of a connection is true of the plaintext, whatever other clients do."""

import socket
import ssl
import time
from pathlib import Path

from support import procs
from support.case import ServerCase
from support.live import Live
from support.server import Server

PROGRAM = Path(__file__).resolve().parent.parent / "support" / "selecting.py"
KINDS = ("Select", "Poll", "Epoll", "Edge")
PIECE_S = 0.004  # between two pieces of hellos: each may wake the loop
HELLO_HEAD = bytes.fromhex("1603010200010001fc0303")


class Selecting(Server):
    name = "selecting"
    executable = "/usr/bin/python3"

    def __init__(self, home, own, native=None, waits_by="Epoll"):
        self.waits_by = waits_by
        super().__init__(home, own, native)

    def configure(self):
        pass

    def command(self):
        return [self.executable, PROGRAM, self.port, self.waits_by]

    def is_ready(self):
        return procs.listening(self.port)


class Readiness(ServerCase):
    under_asan = True

    def governed(self, kind, **changes):
        server = self.make(Selecting, waits_by=kind)
        section = {
            "listen": f"127.0.0.1:{server.port}", "server_speaks": "plaintext", "engine": "direct",
            **self.mutual(self.pki.server("ec")), **changes,
        }
        ini = self.ini({"listener selecting": section})
        return server.start(wrap=self.graft.run(ini), environment=self.graft.environment())

    def live(self, server, version=ssl.TLSVersion.TLSv1_3):
        return Live(server.port, self.pki.clients["good"], version=version)

    def echoed(self, client, data):
        self.assertEqual(client.ask(data, lambda answer: len(answer) >= len(data)), data)

    def woken(self, client):
        return int(client.ask(b"?", lambda answer: answer.endswith(b"\n")))

    def test_echo(self):
        """Ten bytes of one record in pieces of three; many records at once; and nobody else is served."""
        for kind in KINDS:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.subTest(kind, version=version.name):
                    server = self.governed(kind)
                    with self.live(server, version) as client:
                        for size in (1, 10, 3, 3000):
                            self.echoed(client, b"0123456789" * size)
                    server.stop()

    def test_slow_clients(self):
        """Silent ones, some in the middle of a hello and some in the middle of a record, hold up nobody, and cost nothing."""
        for kind in KINDS:
            with self.subTest(kind):
                server = self.governed(kind)
                slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
                for connection in slow[::2]:
                    connection.sendall(HELLO_HEAD)
                with self.live(server) as client:
                    before = self.woken(client)
                    for byte in range(5):
                        for connection in slow[::2]:
                            connection.sendall(bytes([byte]))
                            time.sleep(PIECE_S)
                        self.echoed(client, b"in between")
                    # ten bytes take four rounds, and the question one; the slow ones none
                    self.assertLessEqual(self.woken(client) - before, 5 * 4 + 1)
                for connection in slow:
                    connection.close()
                server.stop()

    def test_handshake_timeout(self):
        """The loop sits in a wait without an end; the silent client is let go all the same, and then no descriptor is left."""
        for kind in KINDS:
            with self.subTest(kind):
                server = self.governed(kind, handshake_timeout="1")
                before = procs.descriptors(server.pid)
                with self.live(server) as client:
                    self.echoed(client, b"one")
                    for said in (b"", HELLO_HEAD):
                        with socket.create_connection(("127.0.0.1", server.port)) as silent:
                            silent.sendall(said)
                            silent.settimeout(15)
                            try:
                                answer = silent.recv(100)
                            except ConnectionResetError:
                                answer = b""
                            self.assertIn(answer[:1], (b"", b"\x15"))
                    self.echoed(client, b"two")
                procs.wait_until(lambda before=before, server=server: procs.descriptors(server.pid) == before, 10, "closed")
                server.stop()
