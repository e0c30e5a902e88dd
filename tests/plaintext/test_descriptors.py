# SPDX-License-Identifier: Apache-2.0
"""What servers do with a connection's descriptors: through TLS a client sees what it would see without, or nothing."""

import socket
import ssl
from pathlib import Path

from support import procs
from support.case import ServerCase
from support.live import Bare, Live
from support.server import Server

BIG = bytes(range(256)) * 4000
PROGRAM = Path(__file__).resolve().parent.parent / "support" / "ways.py"


INHERITS = """
import os, socket
listener = socket.create_server(("127.0.0.1", {port}))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.execv("/usr/bin/python3", ["python3", "{program}", "inherited", "{way}"])
"""


class Ways(Server):
    name = "ways"
    executable = "/usr/bin/python3"

    def __init__(self, home, own, native=None, way="echo", launcher=()):
        self.way, self.launcher = way, launcher
        super().__init__(home, own, native)

    def configure(self):
        pass

    def command(self):
        if self.launcher == "inherits":
            return [self.executable, "-c", INHERITS.format(port=self.port, program=PROGRAM, way=self.way)]
        return [*self.launcher, self.executable, PROGRAM, self.port, self.way]

    def is_ready(self):
        return procs.listening(self.port)

    def notes(self):
        return [line for line in self.output.read_text().splitlines() if not line.startswith("tlsgraft")]


class Descriptors(ServerCase):
    under_asan = True

    def governed(self, way, engine="auto", launcher=(), **changes):
        server = self.make(Ways, way=way, launcher=launcher)
        section = {
            "listen": f"127.0.0.1:{server.port}", "server_speaks": "plaintext", "engine": engine,
            **self.mutual(self.pki.server("ec")), **changes,
        }
        ini = self.ini({"listener ways": section})
        return server.start(wrap=self.graft.run(ini), environment=self.graft.environment())

    def talk(self, server, *steps, version=ssl.TLSVersion.TLSv1_3):
        """`steps`: (what is sent, what comes). The rest up to the end, and whether that was in order: (bytes, bool)."""
        with Live(server.port, self.pki.clients["good"], version=version) as client:
            for sent, comes in steps:
                answer = client.ask(sent, lambda data, comes=comes: len(data) >= len(comes))
                self.assertEqual(answer, comes)
            rest = client.ask(b"")
            self.assertTrue(client.over, "the connection was not ended")
            return rest, not client.broken

    def whole(self, way, *steps, engine="auto", ends=b""):
        """The connection ends with a close_notify; the bad ones get nothing, before and after. The server's notes."""
        server = self.governed(way, engine)
        self.nobody_else(server)
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            self.assertEqual(self.talk(server, *steps, version=version), (ends, True))
        self.nobody_else(server)
        return server

    def broken(self, way, *steps, engine="auto"):
        """Nothing comes after the steps, in clear least of all."""
        server = self.governed(way, engine)
        rest, _ = self.talk(server, *steps)
        self.assertEqual(rest, b"")
        self.nobody_else(server)
        return server

    def nobody_else(self, server):
        """One byte of an answer to a plaintext client may be an alert (21); to one without a certificate there is none."""
        with Bare(server.port) as client:
            answer = client.ask(b"hello\n")
            self.assertTrue(client.over)
            self.assertIn(answer[:1], (b"", b"\x15"), answer)
            self.assertLessEqual(len(answer), 7)
        try:
            with Live(server.port) as client:
                self.assertEqual(client.ask(b"hello\n"), b"")
        except (ssl.SSLError, ConnectionResetError):
            pass

    def events(self, server):
        """The section's counters of plaintext servers, as `status` has them."""
        return self.graft.status(server.pid)["sections"][0]["plaintext"]

    # one process

    def test_echo(self):
        server = self.governed("echo", "direct")
        self.nobody_else(server)
        with Live(server.port, self.pki.clients["good"]) as client:
            for size in (1, 100, 70000, 1000000):
                asked = BIG[:size]
                self.assertEqual(client.ask(asked, lambda data, asked=asked: len(data) >= len(asked)), asked)
            client.socket.unwrap()

    def test_threads(self):
        server = self.governed("threads", "direct")
        clients = [Live(server.port, self.pki.clients["good"]) for _ in range(20)]
        for number, client in enumerate(clients * 3):
            asked = b"%d" % number
            self.assertEqual(client.ask(asked, lambda data, asked=asked: data == asked), asked)
        for client in clients:
            client.close()

    def test_threads_of_one_connection(self):
        server = self.governed("four_readers", "direct")
        with Live(server.port, self.pki.clients["good"]) as client:
            for _ in range(20):
                client.socket.sendall(b"x" * 50)
            self.assertEqual(client.ask(b"qqqq", lambda data: data == b"1004"), b"1004")

    def test_server_first(self):
        self.whole("speaks_first", (b"", b"welcome\n"), engine="direct")

    def test_stdio(self):
        server = self.whole("streams", (b"hello\n", b"by fputs by dprintf hello\n"))
        self.assertEqual(server.notes()[-1], "fileno True")
        self.assertEqual(self.events(server)["direct"], 1)  # which is moved; those after it are the relay's at once
        self.assertTrue(self.events(server)["needs_relay"])

    def test_stdio_not_to_be_had(self):
        """An errno, a line, and nothing in clear; what comes next is the relay's where it may be."""
        server = self.broken("streams_used", (b"hello", b"hello"), engine="direct")
        self.assertIn("fdopen 95 dprintf -1 95", server.notes())
        self.assertIn("fdopen failed on a connection: the direct engine does not carry it", server.output.read_text())
        self.assertIn("uses stdio, splice or aio, which engine = direct cannot follow", self.graft.command("status", server.pid).stdout)
        server.stop()
        server = self.broken("streams_used", (b"hello", b"hello"))
        self.assertIn("fdopen 95 dprintf -1 95", server.notes())
        self.assertEqual(self.talk(server, (b"one", b"one"), (b"hello\n", b"by fputs by dprintf hello\n")), (b"", True))

    def test_stdio_of_standard_descriptors(self):
        """A connection in use is a dead end there; the next one is the relay's."""
        for way, answer in (("prints", b"by perror: Success\nby puts\n"), ("shells", b"leaked\nnot by the shell\n")):
            with self.subTest(way):
                server = self.broken(way, (b"hello\n", b""))
                self.assertEqual(self.talk(server, (b"hello\n", answer)), (b"", True))
                server.stop()
                server = self.broken(way, (b"hello\n", b""), engine="direct")
                self.assertEqual(self.talk(server, (b"hello\n", b""))[0], b"")
                server.stop()

    def test_lowest_number(self):
        server = self.broken("takes_standard", (b"hello", b"hello"))
        self.assertEqual(server.notes()[:2], ["number 0", "read b''"])
        with Live(server.port, self.pki.clients["good"]) as client:
            self.assertEqual(client.ask(b"hello", lambda data: data == b"hello"), b"hello")
            self.assertEqual(client.ask(b"again", lambda data: data == b"by puts\n"), b"by puts\n")
        procs.wait_until(lambda: "read b'again'" in server.notes(), 5, "a note")

    def test_sendfile(self):
        self.whole("sends_file", (b"hello\n", BIG), engine="direct")

    def test_splice(self):
        for engine, notes in (("auto", []), ("direct", ["splice 22"])):
            with self.subTest(engine):
                server = self.governed("splices", engine)
                with Live(server.port, self.pki.clients["good"]) as client:
                    self.assertEqual(client.ask(BIG[:300000], lambda data: len(data) >= 300000), BIG[:300000])
                    # the end of a client that goes without close_notify is noted, too
                    self.assertEqual(server.notes()[:1], notes)
                server.stop()

    def test_numbers(self):
        self.whole("moves", (b"hello", b"one two hello"), engine="direct")

    def test_ends(self):
        for way in ("buries", "closes_range", "closes_by_number", "exits"):
            with self.subTest(way):
                self.whole(way, (b"hello", b"hello"), engine="direct")

    def test_calls_by_number(self):
        server = self.whole("calls_by_number", (b"hello", b"by number hello"), engine="direct")
        self.assertEqual(server.notes()[-1], "ring -1 38")

    def test_waiting(self):
        server = self.governed("times_out", "direct")
        self.talk(server, (b"", b"go"), (b"abc", b"on"), (b"12345678", b""))
        self.assertEqual(server.notes()[-4:], ["again", "again", "peek b'abc' b'abc'", "all b'12345678'"])

    def test_standard_descriptors_closed(self):
        self.whole("closes_at_start", (b"", b"number 1, by puts\n"))
        self.shut(self.governed("closes_at_start", "direct"))

    # several processes

    def test_forks(self):
        server = self.governed("forks", "direct")
        self.nobody_else(server)
        with Live(server.port, self.pki.clients["good"]) as client:
            self.assertEqual(client.ask(b"hello", lambda data: data == b"hello"), b"hello")
            client.socket.unwrap()

    def test_fork_after_the_handshake(self):
        server = self.governed("forks_late", "direct")
        with Live(server.port, self.pki.clients["good"]) as client:
            for asked, comes in ((b"hello", b"parent hello"), (b"again", b"again")):
                self.assertEqual(client.ask(asked, lambda data, comes=comes: data == comes), comes)
            client.socket.unwrap()

    def test_two_processes(self):
        server = self.governed("both_after_fork", "direct")
        with Live(server.port, self.pki.clients["good"]) as client:
            for asked, comes in ((b"hello", b"parent hellochild "), (b"again", b"again")):
                self.assertEqual(client.ask(asked, lambda data, comes=comes: data == comes), comes)
            client.socket.unwrap()
        procs.wait_until(lambda: len(server.notes()) >= 3, 5, "notes")
        self.assertEqual(server.notes(), ["parent 5"] * 3)
        self.assertEqual(self.events(server)["closed"], 1)

    def test_raw_clone(self):
        for engine in ("auto", "direct"):
            with self.subTest(engine):
                server = self.governed("clones", engine)
                self.nobody_else(server)
                with Live(server.port, self.pki.clients["good"]) as client:
                    self.assertEqual(client.ask(b"hello", lambda data: data == b"hello"), b"hello")

    def test_two_processes_by_raw_clone(self):
        server = self.governed("clones_two")
        with Live(server.port, self.pki.clients["good"]) as client:
            for asked, comes in ((b"hello", b"one hello"), (b"again", b"two again")):
                self.assertEqual(client.ask(asked, lambda data, comes=comes: data == comes), comes)
        self.assertGreater(self.events(server)["relayed"], 0)

    def test_passed(self):
        server = self.governed("passes")
        self.nobody_else(server)
        with Live(server.port, self.pki.clients["good"]) as client:
            self.assertEqual(client.ask(b"hello", lambda data: data == b"hello"), b"hello")
            client.socket.unwrap()

    def test_passed_when_used(self):
        """The first one is closed; by then it is known what the server does, and the relay takes the next ones."""
        server = self.broken("passes_used", (b"hello", b"hello"))
        with Live(server.port, self.pki.clients["good"]) as client:
            for asked in (b"hello", b"again"):
                self.assertEqual(client.ask(asked, lambda data, asked=asked: data == asked), asked)
            client.socket.unwrap()
        self.assertEqual(self.events(server)["direct"], 1)

    # other programs

    def test_executes(self):
        server = self.whole("executes", (b"hello\n", b"executed hello\n"))
        self.assertGreater(self.events(server)["relayed"], 0)

    def test_spawns(self):
        self.whole("spawns", (b"hello\n", b"spawned hello\n"))

    def test_plaintext_never_leaves(self):
        """Where it cannot be moved, the other program has no connection."""
        for way, steps, engine in (
            ("executes", (), "direct"),
            ("executes_used", (), "auto"),
            ("spawns_used", ((b"hello", b"hello"),), "auto"),
            ("spawns", (), "direct"),
            ("passes", (), "direct"),
            ("passes_used", ((b"hello", b"hello"),), "direct"),
        ):
            with self.subTest(way, engine=engine):
                server = self.governed(way, engine)
                try:
                    with Live(server.port, self.pki.clients["good"]) as client:
                        for sent, comes in steps:
                            self.assertEqual(client.ask(sent, lambda data, comes=comes: data == comes), comes)
                        self.assertEqual(client.ask(b"hello\n"), b"")
                        self.assertTrue(client.over)
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError, ConnectionResetError):
                    pass  # before the handshake
                except ssl.SSLError as fault:  # what came in clear would be a wrong version
                    self.assertEqual(fault.reason, "UNEXPECTED_EOF_WHILE_READING")
                self.nobody_else(server)
                self.assertGreater(self.events(server)["closed"], 0)

    def test_leaves_registered(self):
        """The rest goes on its way from the keeper: the kernel has the socket still, the server hears no more of it."""
        for way in ("leaves_registered", "leaves_duplicated", "leaves_beside_a_thread"):
            with self.subTest(way):
                server = self.governed(way, "direct")
                with Live(server.port, self.pki.clients["good"]) as client:
                    client.socket.sendall(b"hello")
                    procs.wait_until(lambda server=server: len(server.notes()) > 1, 10, "the server closed it")
                    socket.socket.shutdown(client.socket, socket.SHUT_WR)  # TCP's
                    procs.wait_until(lambda server=server: len(server.notes()) == 12, 10, "the server waited")
                    rest = client.ask(b"")
                    self.assertEqual((client.over, client.broken), (True, False))
                self.assertEqual(server.notes()[0], f"sent {len(rest)}")
                self.assertEqual(server.notes()[1:], ["events"] * 10 + ["waited"])
                server.stop()

    def test_epoll_of_others(self):
        """What else has the connection, or the epoll, changes nothing of what the server is told."""
        for way in ("clones_and_waits", "waits_by_another_number"):
            with self.subTest(way):
                server = self.whole(way, (b"hello\n", b"hello\n"), (b"again\n", b"again\n"), engine="direct")
                self.assertEqual([said for said in server.notes() if " " not in said], ["True"] * 4)
                server.stop()

    def test_inherited_by_the_way(self):
        self.whole("executes_beside", (b"hello", b"hello"), engine="auto")

    def test_shells(self):
        self.whole("popens", (b"hello", b"helloafter"), engine="direct")

    # before the first connection

    def test_inherited_listener(self):
        """The program that accepts has never called listen(2): its first connection finds all prepared."""
        server = self.governed("echo", "direct", launcher="inherits")
        self.nobody_else(server)
        with Live(server.port, self.pki.clients["good"]) as client:
            self.assertEqual(client.ask(b"hello", lambda data: data == b"hello"), b"hello")
            client.socket.unwrap()

    test_inherited_listener.under_asan = False  # libssl comes before main

    def shut(self, server):
        """Nobody is served, and the server lives on."""
        with Bare(server.port) as client:
            self.assertEqual(client.ask(b"hello"), b"")
            self.assertTrue(client.over)
        with self.assertRaises((ssl.SSLError, OSError)):
            Live(server.port, self.pki.clients["good"]).close()
        self.assertIsNone(server.process.poll())
        self.assertEqual(set(server.notes()), {"aborted"})

    def test_no_libssl(self):
        (self.home / "lib").mkdir()
        (self.home / "lib" / "libssl.so.3").write_bytes(b"")
        self.shut(self.governed("echo", launcher=("env", f"LD_LIBRARY_PATH={self.home / 'lib'}")))

    test_no_libssl.under_asan = False

    def test_no_policy(self):
        """A user who may not have it."""
        self.shut(self.governed("echo", launcher=("runuser", "-u", "nobody", "--")))
