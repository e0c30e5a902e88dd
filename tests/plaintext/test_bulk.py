# SPDX-License-Identifier: Apache-2.0
"""Much and many: large transfers, idle connections, clients that are slow on purpose. TLSGRAFT_LONG=1: the long forms."""

import os
import socket
import ssl
import statistics
import threading
import time

from support.case import ServerCase
from support.live import Live
from support.procs import wait_until
from support.runner import say
from support.traffic import ManyClients, Rate

from plaintext import bulk

LONG = bool(os.environ.get("TLSGRAFT_LONG"))
EACH_WAY = (4 << 30) if LONG else (64 << 20)
IDLE = 10_000 if LONG else 500
SLOW = 5_000 if LONG else 200
SECONDS = 3 if LONG else 2
ROUNDS = 3 if LONG else 1  # of which the median counts: on few processors one differs from the next by a tenth
ONE = ("taskset", "-c", "0")  # a processor: of two, half the answers or all of them depend on which one a thread wakes up
IDLE_KIB = 32  # of memory in the server, for one connection that does nothing
EVENT_DRIVEN = (bulk.Redis, bulk.Memcached, bulk.Nginx)


class Governed(ServerCase):
    def governed(self, kind, **keys):
        server = self.make(kind)
        ini = self.rewrite(server, **keys)
        options = ("--user", kind.run_user) if kind.run_user else ()
        if kind.run_user:
            server.give_to(kind.run_user)
        return server.start(wrap=self.graft.run(ini, *options), environment=self.graft.environment())

    def rewrite(self, server, **keys):
        section = {
            "listen": f"127.0.0.1:{server.port}", "server_speaks": "plaintext", **self.mutual(self.pki.server("ec")), **keys,
        }
        return self.ini({"listener bulk": section})

    def setUp(self):
        super().setUp()
        self.good = self.pki.clients["good"]

    def no_leak(self, server, before):
        try:
            wait_until(lambda: server.descriptors() <= before, 20, "no descriptor left over")
        except AssertionError as fault:
            raise AssertionError(f"{fault}: {server.descriptors()} instead of {before}") from None


class Transfers(Governed):
    """Each byte that is sent comes back, in odd sizes."""

    def transfer(self, kind, **keys):
        server = self.governed(kind, **keys)
        before = server.descriptors()
        content = memoryview(os.urandom(4 << 20))
        sent = 0
        with Live(server.port, self.good) as connection:
            connection.socket.settimeout(60)
            wire = bulk.Wire(connection)
            for size in server.sizes():
                at = sent % (len(content) - size)
                server.exchange(wire, content[at : at + size])
                sent += size
                if sent >= EACH_WAY:
                    break
        self.no_leak(server, before)

    def test_redis(self):
        self.transfer(bulk.Redis)

    def test_memcached(self):
        self.transfer(bulk.Memcached)

    def test_nginx(self):
        self.transfer(bulk.Nginx)

    def test_forking(self):
        self.transfer(bulk.Forking)

    def test_threaded(self):
        self.transfer(bulk.Threaded)

    def test_redis_by_relay(self):
        self.transfer(bulk.Redis, engine="relay")

    def test_forking_by_relay(self):
        self.transfer(bulk.Forking, engine="relay")


class Idle(Governed):
    def idle(self, kind):
        server = self.governed(kind)
        before = server.descriptors()
        first = ManyClients(server.port, self.good, 50, server.conversation)
        self.assertEqual(first.ask(), 50)
        memory = server.memory()
        clients = ManyClients(server.port, self.good, IDLE, server.conversation)
        self.assertEqual(clients.open, IDLE)
        self.assertEqual(clients.ask(), IDLE)
        each = (server.memory() - memory) / IDLE
        say(f"       {kind.name}: {each:.1f} KiB for each of {IDLE} idle connections")
        self.assertLessEqual(each, IDLE_KIB)
        self.assertEqual(clients.ask(), IDLE)
        clients.close()
        first.close()
        self.no_leak(server, before)

    def test_redis(self):
        self.idle(bulk.Redis)

    def test_memcached(self):
        self.idle(bulk.Memcached)

    def test_nginx(self):
        self.idle(bulk.Nginx)


def client_hello():
    """The first message of a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    out = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="one.example")
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class Silent:
    """Clients that say nothing."""

    def __init__(self, port, count):
        self.sockets = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]

    def close(self):
        for made in self.sockets:
            made.close()


class Slow(Silent):
    """Clients of which one third stops after a part of its first message, one after all of it, and one sends a byte a second."""

    def __init__(self, port, count):
        super().__init__(port, count)
        self.hello = client_hello()
        for number, made in enumerate(self.sockets):
            made.sendall(self.hello[: (len(self.hello) // 2, len(self.hello), 1)[number % 3]])
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._trickle, daemon=True)
        self._thread.start()

    def _trickle(self):
        for at in range(1, len(self.hello)):
            if self._end.wait(1):
                return
            for made in self.sockets[2::3]:
                try:
                    made.send(self.hello[at : at + 1])
                except OSError:
                    pass  # the server has had enough

    def close(self):
        self._end.set()
        self._thread.join()
        super().close()


class SlowClients(Governed):
    def slow(self, kind):
        server = self.governed(kind, handshake_timeout=300)
        before = server.descriptors()
        alone = self.rate(server)
        slow = Slow(server.port, SLOW)
        beside = self.rate(server)
        slow.close()
        say(f"       {kind.name}: beside {SLOW} slow clients {beside / alone:.2f} of the answers without them")
        self.no_leak(server, before)

    def rate(self, server, who="good", wrap=()):
        answers = []
        for _ in range(ROUNDS):
            found = Rate(server.port, self.pki.clients.get(who), 20, SECONDS, *server.conversation, wrap)
            self.assertEqual(found.failed, 0)
            self.assertGreater(found.answers, 0)
            answers.append(found.answers)
        return statistics.median(answers)

    def test_redis(self):
        self.slow(bulk.Redis)

    def test_memcached(self):
        self.slow(bulk.Memcached)

    def test_nginx(self):
        self.slow(bulk.Nginx)

    def share(self, server, crowd, who):
        """Of its answers, those that it still gives while it has a process or thread for each of a crowd."""
        os.sched_setaffinity(server.pid, {0})
        alone = self.rate(server, who, ONE)
        crowd = crowd(server.port, SLOW)
        wait_until(lambda: server.slots() >= SLOW, 60, "each has its slot")
        beside = self.rate(server, who, ONE)
        crowd.close()
        wait_until(lambda: server.slots() == 0, 60, "no slot is taken")
        return beside / alone

    def beside(self, kind, engine):
        """A process or thread for each: slow clients against as many that are silent, on the server as it is."""
        server = self.governed(kind, handshake_timeout=300, engine=engine)
        before = server.descriptors()
        slow = self.share(server, Slow, "good")
        self.no_leak(server, before)
        server.stop()
        silent = self.share(self.make(kind).start(), Silent, None)
        say(f"       {kind.name}, {engine}: beside {SLOW} slow clients {slow:.2f}; plaintext, beside silent ones {silent:.2f}")

    def test_beside_forking(self):
        self.beside(bulk.Forking, "auto")

    def test_beside_threaded(self):
        self.beside(bulk.Threaded, "auto")

    def test_beside_threaded_by_relay(self):
        self.beside(bulk.Threaded, "relay")

    def freed(self, kind, engine):
        """A process or thread for each: what it waits for ends, whatever the client does, and another client is served."""
        server = self.governed(kind, handshake_timeout=3, engine=engine)
        before = server.descriptors()
        slow = Slow(server.port, SLOW)
        began = time.monotonic()
        with Live(server.port, self.good) as connection:
            server.exchange(bulk.Wire(connection), b"beside them")
        wait_until(lambda: server.slots() == 0, 30, "no slot is taken")
        say(f"       {kind.name}, {engine}: {SLOW} slots free after {time.monotonic() - began:.1f} s")
        with Live(server.port, self.good) as connection:
            server.exchange(bulk.Wire(connection), b"after them")
        slow.close()
        wait_until(lambda: server.slots() == 0, 10, "no slot is taken")
        self.no_leak(server, before)

    def test_forking(self):
        self.freed(bulk.Forking, "auto")

    def test_threaded(self):
        self.freed(bulk.Threaded, "auto")

    def test_forking_by_relay(self):
        self.freed(bulk.Forking, "relay")
