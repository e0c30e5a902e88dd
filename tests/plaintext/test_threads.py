# SPDX-License-Identifier: Apache-2.0
"""Servers of many threads, and clients that come, ask and go in every way at once, while generations change.

In a build for ThreadSanitizer what threads do wrong is reported (tests/run.sh); in any other the answers are what counts.
"""

import os
import signal
import socket
import ssl
import struct
import threading

from support import procs
from support.live import Bare, Live
from support.procs import wait_until

from plaintext import bulk
from plaintext.test_bulk import Governed, client_hello

CLIENTS = 8
ROUNDS = 21  # of each client at least: every way to end, three times
RELOADS = 4  # at least, while they are there
STAYING = 6  # connections that are there all the time
PATTERN = bytes(number % 251 for number in range(100_003))
RESET = struct.pack("ii", 1, 0)


class Threaded(bulk.Threaded):
    """As it was built with the product: with the same sanitizer."""

    build = None  # of the test

    def configure(self):
        pass

    def command(self):
        return [self.build / "tests" / "echo", self.port, self.way]


class Epoll(Threaded):
    name = "epoll"
    way = "epoll"

    def command(self):
        return [self.build / "tests" / "together", self.port, self.way]


class Halves(Epoll):
    name = "halves"
    way = "halves"

    def exchange(self, wire, piece):
        """What the server writes does not depend on what it reads; it does so once."""
        wire.send(PATTERN[: len(piece)])
        wire.expect(PATTERN)


class Client(threading.Thread):
    """Connections one after the other; `fault`: what went wrong, or None. Each ends as a method of WAYS says."""

    def __init__(self, server, who, number):
        super().__init__(daemon=True)
        self.server = server
        self.contexts = [Live.make_context(who, version) for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)]
        self.nobody = Live.make_context()
        self.number = number
        self.served = 0
        self.fault = None
        self.enough = threading.Event()

    def run(self):
        try:
            step = self.number
            while step < self.number + ROUNDS or not self.enough.is_set():
                self.WAYS[step % len(self.WAYS)](self)
                step += 1
        except (OSError, AssertionError) as fault:
            self.fault = f"client {self.number}: {fault!r}"

    def asked(self):
        """A connection that has been served."""
        self.served += 1
        connection = Live(self.server.port, context=self.contexts[self.served % 2])
        self.server.exchange(bulk.Wire(connection), PATTERN[:40_009])
        return connection

    def in_order(self):
        with self.asked() as connection:
            connection.socket.unwrap()

    def cut(self):
        self.asked().close()

    def reset(self):
        with self.asked() as connection:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def unread(self):
        with Live(self.server.port, context=self.contexts[0]) as connection:
            connection.socket.sendall(PATTERN)

    def half_a_hello(self):
        with Bare(self.server.port) as connection:
            connection.socket.sendall(client_hello()[:100])

    def refused(self):
        for connection in (self.connected(Live, context=self.nobody), self.connected(Bare)):
            if connection is not None:
                with connection:
                    said = connection.ask(b"hello\n")
                    if PATTERN[:5] in said or b"hello" in said or not connection.over:
                        raise AssertionError(f"served: {said[:60]!r}")

    def connected(self, kind, **options):
        try:
            return kind(self.server.port, **options)
        except ssl.SSLError:
            return None

    WAYS = (in_order, cut, reset, unread, half_a_hello, refused, in_order)


class Threads(Governed):
    def crowd(self, kind, engine):
        Threaded.build = self.graft.build
        server = self.governed(kind, engine=engine, recheck="new-generation")
        before = server.descriptors()
        staying = [bulk.Wire(Live(server.port, self.good)) for _ in range(STAYING)]
        clients = [Client(server, self.good, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        reloads = 0
        while any(client.is_alive() for client in clients):
            reloads += 1
            # another digest: every connection is judged again
            self.rewrite(server, engine=engine, recheck="new-generation", verify_depth=8 + reloads % 2)
            os.kill(server.pid, signal.SIGHUP)
            self.assert_reloaded(server)
            if reloads == RELOADS:
                for client in clients:
                    client.enough.set()
        for client in clients:
            self.assertIsNone(client.fault)
        for wire in staying:
            server.exchange(wire, PATTERN[:9001])
            wire.close()
        self.assertGreaterEqual(reloads, RELOADS)
        served = STAYING + sum(client.served for client in clients)
        status = self.graft.status(server.pid)
        counted = {"direct": "direct", "relay": "relayed"}[engine]
        self.assertGreaterEqual(status["sections"][0]["plaintext"][counted], served)
        if engine == "relay":
            # a sanitizer is in both of them or in none
            self.assertEqual("libtsan" in procs.maps(status["keeper"]["relay"]), "libtsan" in procs.maps(server.pid))
        wait_until(lambda: server.descriptors() <= before, 20, "no descriptor left over")

    def test_a_silent_client_costs_no_time(self):
        """The server writes first, and waits for the verdict."""
        Threaded.build = self.graft.build
        server = self.governed(Halves, engine="direct", handshake_timeout=1)
        before = procs.processor_ticks(server.pid)
        with Bare(server.port) as connection:
            self.assertEqual(connection.ask(b""), b"")
            self.assertTrue(connection.over)
        self.assertLess(procs.processor_ticks(server.pid) - before, os.sysconf("SC_CLK_TCK") / 4)

    def test_thread(self):
        self.crowd(Threaded, "direct")

    def test_thread_by_relay(self):
        self.crowd(Threaded, "relay")

    def test_halves(self):
        self.crowd(Halves, "direct")

    def test_halves_by_relay(self):
        self.crowd(Halves, "relay")

    def test_epoll(self):
        self.crowd(Epoll, "direct")

    def test_epoll_by_relay(self):
        self.crowd(Epoll, "relay")
