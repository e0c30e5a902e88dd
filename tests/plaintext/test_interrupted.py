# SPDX-License-Identifier: Apache-2.0
"""Signals in the middle of calls on a connection, and threads that waited before there was any."""

import re
import ssl
import time

from support.live import Live
from support.procs import wait_until

from plaintext import bulk
from plaintext.test_bulk import Governed

MUCH = 8 << 20


class Interrupted(bulk.Echo):
    """tests/plaintext/interrupted.c, as it was built with the product."""

    name = "interrupted"
    build = None  # of the test

    def configure(self):
        pass

    def command(self):
        # a program of another one that serves nothing: what it is for is not known before it listens
        return ["/bin/sh", "-c", 'exec "$0" "$@"', self.build / "tests" / "interrupted", self.port, self.way]

    def done(self):
        return re.findall(r"^done (\d+)(.*)$", self.output.read_text(), re.MULTILINE)


def kind_of(way):
    return type(way, (Interrupted,), {"way": way})


class Signals(Governed):
    def started(self, way):
        Interrupted.build = self.graft.build
        return self.governed(kind_of(way), engine="direct")

    def read_all(self, server, pause=0):
        """How much comes until the end, after a pause in which the server's writes wait."""
        size = 0
        with Live(server.port, self.good) as connection:
            connection.socket.sendall(b"x")
            time.sleep(pause)
            place = memoryview(bytearray(65536))
            try:
                while got := connection.socket.recv_into(place):
                    size += got
            except (OSError, ssl.SSLError):
                return size, True
        return size, False

    def test_options(self):
        server = self.started("options")
        self.assertEqual(self.read_all(server), (MUCH, False))
        self.assertEqual(server.done(), [(str(MUCH), "")])

    def test_restarted(self):
        """Thousands of signals while the client reads nothing: the write is none the wiser."""
        server = self.started("nothing")
        self.assertEqual(self.read_all(server, pause=1), (MUCH, False))
        self.assertEqual(server.done(), [(str(MUCH), "")])

    def test_ended(self):
        """The connection ends, whatever the handler came in the middle of; the server goes on."""
        for way in ("shutdown", "close"):
            with self.subTest(way):
                server = self.started(way)
                for served in range(1, 21):  # in one or another of them it writes, rather than waits
                    self.read_all(server)
                    wait_until(lambda server=server, served=served: len(server.done()) == served, 10, "the write failed")
                self.assertNotIn("", [failure for _, failure in server.done()])
                server.stop()

    def test_left(self):
        """Who leaves a read for good waits by poll, and hears of what comes."""
        server = self.started("leave")
        with Live(server.port, self.good) as connection:
            time.sleep(0.3)  # the handler leaves after 50 ms, and nothing shows it
            self.assertEqual(connection.ask(b"here", lambda data: data == b"here"), b"here")

    def test_late(self):
        server = self.started("late")
        with Live(server.port, self.good) as connection:
            for said in (b"one", b"two"):
                self.assertEqual(connection.ask(said, lambda data, said=said: data == said), said)
        self.assertIsNone(server.process.poll())
