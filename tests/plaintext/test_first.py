# SPDX-License-Identifier: Apache-2.0
"""Servers that speak first, of every shape, with clients that never finish a handshake: the next client is served all the
same, while they are still there. As it would be without TLS."""

import contextlib
import select
import ssl

from support import procs
from support.case import Context, ServerCase
from support.live import Bare, Live
from support.server import Server

GREETING = b"welcome to this server\n"
TIMEOUT_S = 120  # of handshakes: longer than a test may take
SILENT = 12


class First(Server):
    """tests/plaintext/first.c, as it was built with the product."""

    name = "first"
    executable = "/bin/sh"

    def __init__(self, home, own, native=None, way="", protocol=0):
        self.way, self.protocol = way, protocol
        super().__init__(home, own, native)

    def configure(self):
        pass

    def command(self):
        return [Context.graft.build / "tests" / "first", self.port, self.way, self.protocol]

    def is_ready(self):
        return procs.listening(self.port)


def hello():
    """What a client begins a handshake with."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        Live.make_context().wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


class FirstCase(ServerCase):
    def started(self, way, engine, wrap=(), protocol=0, **changes):
        server = self.make(First, way=way, protocol=protocol)
        section = {
            "listen": f"127.0.0.1:{server.port}", "server_speaks": "plaintext", "engine": engine,
            "handshake_timeout": TIMEOUT_S, **self.mutual(self.pki.server("ec")), **changes,
        }
        words = [*wrap, *self.graft.run(self.ini({"listener first": section}))]
        return server.start(wrap=words, environment=self.graft.environment())

    def hung(self, server):
        """Clients that say nothing, or begin a handshake in different ways and stop there."""
        whole = hello()
        clients = []
        for said in [b""] * SILENT + [whole[:3], whole[:100], whole] + [b"GET / HTTP/1.0\r\n\r\n"] * SILENT:
            client = Bare(server.port)
            self.addCleanup(client.close)
            client.socket.sendall(said)
            clients.append(client)
        return clients

    def served(self, server, wanted, request=b""):
        with Live(server.port, self.pki.clients["good"]) as client:
            said = client.ask(request, lambda data: data == wanted)
            self.assertEqual(said, wanted)
            if not request:
                self.assertEqual(client.ask(b""), b"")
                self.assertEqual((client.over, client.broken), (True, False))


class SpeaksFirst(FirstCase):
    def one(self, way, engine, wanted=GREETING, request=b""):
        server = self.started(way, engine)
        # before any other: nothing is learned from them
        self.served(server, wanted, request)
        silent = self.hung(server)
        self.served(server, wanted, request)
        for client in silent[:SILENT]:
            # still there, and nothing was said to it
            self.assertEqual(select.select([client.socket], [], [], 0)[0], [])
        self.served(server, wanted, request)
        for client in silent:
            client.socket.setblocking(False)
            with contextlib.suppress(OSError):
                self.assertNotIn(GREETING[:4], client.socket.recv(65536))
        self.assertIsNone(server.process.poll())
        server.stop()


WAYS = {
    "closes": (GREETING,), "shuts_down": (GREETING,), "writes_pieces": (GREETING,), "lingers": (GREETING,),
    "sends_file": (GREETING,), "prints": (GREETING,), "writes_much": (GREETING + b"x" * 150000,), "pools": (GREETING,),
    "pushes": (GREETING, b"nothing"), "polls_then_answers": (GREETING,), "times_out": (GREETING, b"x"), "forks": (GREETING,),
    "is_killed": (GREETING,), "executes": (GREETING,), "loop_closes": (GREETING,),
    "loop_epoll": (GREETING + b"hello", b"hello"), "loop_epoll_blocking": (GREETING + b"hello", b"hello"),
    "loop_select": (GREETING + b"hello", b"hello"),
}
for _engine in ("direct", "auto", "relay"):
    for _way, _what in (WAYS if _engine == "relay" else {"greets": (GREETING,), **WAYS}).items():
        if (_engine, _way) == ("direct", "prints"):
            continue  # stdio is the relay's
        setattr(
            SpeaksFirst, f"test_{_engine}_{_way}",
            lambda self, way=_way, engine=_engine, what=_what: self.one(way, engine, *what),
        )
