# SPDX-License-Identifier: Apache-2.0
"""What a server does past the usual calls: nothing of it leaves in clear, and nothing of it ends the server."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from support import procs
from support.case import Context, ServerCase
from support.live import Live
from support.server import Server

UNTRUSTED = Path(__file__).resolve().parent.parent / "support" / "untrusted_lingering.py"
NOBODY = 65534


class Bypassing(Server):
    name = "bypassing"
    executable = "/bin/sh"

    def __init__(self, home, own, native=None, way="aio"):
        self.way = way
        super().__init__(home, own, native)

    def configure(self):
        pass

    def command(self):
        return [Context.graft.build / "tests" / "bypassing", self.port, self.way]

    def is_ready(self):
        return procs.listening(self.port)

    def notes(self):
        return [line for line in self.output.read_text().splitlines() if not line.startswith("tlsgraft")]


class Hostile(ServerCase):
    def governed(self, way, engine="direct", **changes):
        server = self.make(Bypassing, way=way)
        section = {
            "listen": f"127.0.0.1:{server.port}", "server_speaks": "plaintext", "engine": engine,
            **self.mutual(self.pki.server("ec")), **changes,
        }
        return server.start(wrap=self.graft.run(self.ini({"listener bypassing": section})), environment=self.graft.environment())

    @staticmethod
    def seen(port, says=b""):
        """All that a client without TLS is sent."""
        data = b""
        with socket.create_connection(("127.0.0.1", port), timeout=3) as client:
            client.sendall(says)
            try:
                while part := client.recv(65536):
                    data += part
            except OSError:
                pass
        return data

    def silent(self, way, engine="direct", clients=1):
        """No byte in clear, to a client that has said nothing, and the server lives on. The server's notes."""
        server = self.governed(way, engine)
        for _ in range(clients):
            self.assertEqual(self.seen(server.port), b"")
        procs.wait_until(server.notes, 5, "notes")
        self.assertIsNone(server.process.poll())
        return server.notes()

    def one(self, way):
        for engine in ("direct", "relay"):
            with self.subTest(way, engine=engine):
                self.silent(way, engine)

    def test_close_race(self):
        """What one thread writes while another one closes."""
        server = self.governed("close_race")
        self.assertEqual({self.seen(server.port)[:20] for _ in range(20)}, {b""})
        self.assertIsNone(server.process.poll())

    def test_ends_in_handler(self):
        server = self.governed("ends_in_handler")
        for _ in range(20):
            with Live(server.port, self.pki.clients["good"]) as client:
                client.ask(b"x", lambda data: False)
        procs.wait_until(lambda: len(server.notes()) == 20, 10, "notes")
        self.assertEqual(set(server.notes()), {"ended 0 0"})

    def untrusted(self, name, kind, who):
        """Of the lowest rights: what they pass, and how it is closed, holds nobody up."""
        server = self.governed("echoes", "relay")
        client = Live(server.port, self.pki.clients["good"])
        environment = Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")
        (tree,) = (word.partition(b"=")[2].decode() for word in environment if word.startswith(b"TLSGRAFT_KEEPER="))
        words = [sys.executable, UNTRUSTED, name.format(tree), kind]
        taker = self.graft.status(server.pid)["keeper"][who]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=NOBODY, group=NOBODY, extra_groups=[],
        ) as untrusted:
            try:
                os.kill(taker, signal.SIGSTOP)
                untrusted.stdin.write("stopped\n")
                untrusted.stdin.flush()
                self.assertEqual(untrusted.stdout.readline(), "sent\n")
                os.kill(taker, signal.SIGCONT)
                self.assertEqual(client.ask(b"hello", lambda data: data == b"hello"), b"hello")
                with Live(server.port, self.pki.clients["good"]) as other:
                    self.assertEqual(other.ask(b"hello", lambda data: data == b"hello"), b"hello")
                self.assertIsNotNone(self.graft.status(server.pid))
            finally:
                os.kill(taker, signal.SIGCONT)
                client.close()
                untrusted.stdin.close()

    def test_untrusted_at_the_relay(self):
        self.untrusted("tlsgraft/{}/relay", "SOCK_STREAM", "relay")

    def test_untrusted_at_the_keeper(self):
        self.untrusted("tlsgraft/{}", "SOCK_SEQPACKET", "pid")

    def test_vfork_dup(self):
        for engine in ("direct", "auto"):
            with self.subTest(engine):
                self.assertEqual(self.silent("vfork_dup", engine), ["other 5 5 0"])


for _way in (
    "aio aio_list backtrace_to no_getpeername no_getsockname no_mmap no_recvfrom no_sendto number_io_submit"
    " number_pwritev2 number_sendfile number_splice other_name_of_dup2 other_name_of_fdopen other_names own_copy"
    " own_copy_by_number spawned"
).split():
    setattr(Hostile, "test_" + _way, lambda self, way=_way: self.one(way))
