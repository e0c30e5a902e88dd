# SPDX-License-Identifier: Apache-2.0
"""Sockets that a server does not make itself: given by an inetd or systemd, passed by another process, taken by number.

Whoever has a certificate is served; nobody else sees one byte of the server's, though it speaks first. Without tlsgraft
everybody sees it.
"""

import ssl

from support.case import ServerCase
from support.giver import Giver, Inetd, Passer
from support.live import Bare, Live

GREETING = b"greeting\n"
FILTER = ("/bin/sed", "-u", "-e", "1i greeting", "-e", "/^quit/q")  # neither listens nor accepts


class Activated(Giver):
    """A listening socket at 3, as systemd gives it."""

    def __init__(self, words, environment=None, output=None):
        super().__init__()
        self.start(words, {3: self.listener}, environment, output)


class Given(ServerCase):
    under_asan = True

    def setUp(self):
        super().setUp()
        self.givers = []

    def tearDown(self):
        for giver in self.givers:
            giver.stop()
        super().tearDown()

    def program(self, *words):
        return [self.graft.build / "tests" / "given", *words]

    def giver(self, kind, *arguments, by="run", failing=None, **options):
        """`kind(words, ...)` of a server under tlsgraft: by `run`, by the variables alone, or (`nothing`) without it."""
        words, *rest = arguments
        log = open(self.home / f"giver{len(self.givers)}.log", "ab")  # noqa: SIM115
        self.addCleanup(log.close)
        ini = self.home / "site.ini"
        environment = {"run": self.graft.environment, "preload": lambda: self.graft.preload(ini), "nothing": dict}[by]()
        if failing:
            environment = {**environment, **failing, "LD_PRELOAD": ":".join(filter(None, [
                environment.get("LD_PRELOAD", ""), str(failing["LD_PRELOAD"])]))}
        if by == "run":
            words = [*self.graft.run(ini), *words]
        made = kind(words, *rest, environment=environment, output=log, **options)
        self.givers.append(made)
        return made

    def govern(self, port, **changes):
        section = {"listen": f"127.0.0.1:{port}", "server_speaks": "plaintext", **self.mutual(self.pki.server("ec"))}
        self.ini({"listener given": {**section, **changes}})

    def assert_served(self, port, ends=True):
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            with Live(port, self.pki.clients["good"], version=version) as client:
                answer = client.ask(b"hello\nquit\n", lambda data: data.endswith(b"quit\n"))
                self.assertTrue(answer.startswith(GREETING), answer)
                self.assertTrue(answer.endswith(b"quit\n"), answer)
                if ends:
                    self.assertEqual(client.ask(b""), b"")

    def assert_nobody_else(self, port):
        for request in (b"", b"hello\nquit\n"):
            with Bare(port) as client:
                if not request:
                    client.socket.settimeout(0.5)
                answer = client.ask(request, seconds=5)
                self.assertTrue(answer == b"" or (answer[:1] == b"\x15" and len(answer) <= 7), answer)
        try:
            with Live(port) as client:
                self.assertEqual(client.ask(b"hello\nquit\n"), b"")
        except (ssl.SSLError, ConnectionResetError):
            pass

    def assert_open(self, port):
        """The control: without the shim anybody is greeted."""
        with Bare(port) as client:
            self.assertEqual(client.ask(b"hello\nquit\n"), GREETING + b"hello\nquit\n")

    def all_of(self, kind, *arguments, ways=("run", "preload"), engines=("auto",), **options):
        """One after the other: the giver's port is known before its server is started, and is in the file then."""
        self.assert_open(self.giver(kind, *arguments, by="nothing", **options).port)
        for engine in engines:
            for by in ways:
                with self.subTest(by, engine=engine):
                    self.make_way(kind, arguments, by, engine, options)

    def governed(self, kind, *arguments, by="run", engine="auto", **options):
        case = self

        class Governed(kind):
            def start(self, *words, **more):
                case.govern(self.port, engine=engine)
                return super().start(*words, **more)

        return self.giver(Governed, *arguments, by=by, **options)

    def make_way(self, kind, arguments, by, engine, options):
        giver = self.governed(kind, *arguments, by=by, engine=engine, **options)
        self.assert_nobody_else(giver.port)
        self.assert_served(giver.port, ends=options.get("how") != "numbers")  # who keeps a connection, keeps it open
        self.assert_nobody_else(giver.port)

    # a connection

    def test_connection(self):
        self.all_of(Inetd, self.program("connection", "3"), (3,))

    def test_connection_direct(self):
        self.all_of(Inetd, self.program("connection", "3"), (3,), engines=("direct", "relay"), ways=("run",))

    def test_connection_far(self):
        self.all_of(Inetd, self.program("connection", "700"), (700,), ways=("run",))

    def test_connection_standard(self):
        self.all_of(Inetd, self.program("connection", "0", "1"), (0, 1, 2))

    def test_connection_at_several(self):
        """One number is written to and the other read, and both are the same connection."""
        self.all_of(Inetd, self.program("connection", "5", "300"), (5, 300), engines=("direct", "auto"), ways=("run",))

    def test_connection_of_a_filter(self):
        """A program that imports neither listen nor accept."""
        self.all_of(Inetd, FILTER, (0, 1))

    def test_connection_of_a_shell(self):
        self.all_of(Inetd, ["/bin/sh", "-c", 'exec "$0" "$@"', *FILTER], (0, 1))
        self.all_of(Inetd, ["/bin/sh", "-c", '"$0" "$@"; true', *FILTER], (0, 1), ways=("run",))

    # a listening socket

    def test_activated(self):
        self.all_of(Activated, self.program("accept"), engines=("auto", "relay"))

    def test_activated_by_number(self):
        self.all_of(Activated, self.program("number"))

    # what another process passes

    def test_passed(self):
        for way in ("passed", "passed-number", "passed-many"):
            with self.subTest(way):
                self.all_of(Passer, self.program(way))

    test_passed.under_asan = False  # its processes are too slow with a sanitizer for the time that a handshake has

    def test_passed_listener(self):
        self.all_of(Passer, self.program("listener"), how="listener")

    def test_fetched(self):
        self.all_of(Passer, self.program("fetched"), how="numbers")

    # processes and threads that share only one of memory and descriptors

    def test_shared_descriptors(self):
        for way in ("clone", "clone-number", "clone3"):
            with self.subTest(way):
                self.all_of(Activated, self.program(way), ways=("run",))

    def test_own_descriptors(self):
        for way in ("unshare", "close-range"):
            with self.subTest(way):
                self.all_of(Activated, self.program(way), ways=("run",))

    def test_shared_memory(self):
        self.all_of(Activated, self.program("memory"), ways=("run",))

    # nothing is to be had

    def test_no_descriptor_left(self):
        """While a connection is closed another thread writes to it, and there is no number to put in its place."""
        giver = self.governed(Activated, self.program("scarce"), engine="direct")
        for _ in range(200):
            with Bare(giver.port) as client:
                self.assertEqual(client.ask(b""), b"")
                self.assertTrue(client.over)

    def test_nothing_left(self):
        """Of each connection one more of all that is asked of the system fails: memory, mappings, descriptors."""
        for engine, what in (("direct", "memory"), ("direct", "descriptors"), ("relay", "descriptors")):
            with self.subTest(what, engine=engine):
                giver = self.governed(
                    Activated, self.program("company"), engine=engine,
                    failing={"LD_PRELOAD": self.graft.build / "tests" / "libfailing.so", "FAILING": what},
                )
                for _ in range(40):
                    with Bare(giver.port) as client:
                        answer = client.ask(b"hello\nquit\n")
                        self.assertTrue(client.over)
                        self.assertTrue(answer == b"" or (answer[:1] == b"\x15" and len(answer) <= 7), answer)
                said = (self.home / f"giver{len(self.givers) - 1}.log").read_text(errors="replace")
                self.assertIn(f"{what} failed", said)
                self.assert_served(giver.port)
