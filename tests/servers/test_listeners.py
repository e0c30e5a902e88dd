# SPDX-License-Identifier: Apache-2.0
"""[listener] sections on servers that give libssl no descriptor: each connection is judged by its own, however hostile."""

import itertools
from concurrent.futures import ThreadPoolExecutor

from support import client, replay
from support.case import ServerCase
from support.client import TLS13, VERSIONS
from support.pki import HOSTS

from servers.several import SEVERAL, DovecotSeveral, HaproxySeveral

NOT_KNOWN = "a connection's listener is not known"


class Listeners(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        self.other = self.pki.server("ec", 7)
        self.good = self.pki.clients["good"]
        self.second = self.pki.client(self.pki.second_ca)

    def started(self, kind, weak=None, **changes):
        """On the three ports: mutual for one CA, mutual for another, `weak` (off)."""
        server = self.make(kind)
        strong, other, open_to_all = server.all_ports()
        first = [f"127.0.0.1:{strong}"]
        if kind is DovecotSeveral:
            first.append(f"127.0.0.1:{server.starttls}")
        sections = {
            "listener first": {"listen": first, **self.mutual(self.injected), **changes},
            "listener second": {
                "listen": f"127.0.0.1:{other}", "mode": "mutual", **self.pair(self.other, "other"),
                "ca": self.pki.second_ca.cert, **changes,
            },
            "listener weak": {"listen": f"127.0.0.1:{open_to_all}", **(weak or {"mode": "off"})},
        }
        server.start(wrap=self.graft.run(self.ini(sections)), environment=self.graft.environment())
        return server

    def ask(self, server, port, version, who=None, cut=None, between=b""):
        """One connection: its data, and the leaf that it was shown. `cut`: size of the ClientHello's records."""
        for last in (False, False, True):
            wish = replay.Client(version, who)
            hello = replay.records(wish.hello, cut, between) if cut else between + wish.hello
            with replay.connect(port, 3 if server.forgets else 10) as connection:
                connection.sendall(hello)
                try:
                    return self.finish(server, wish, connection), wish.leaf_sha256()
                except TimeoutError:
                    if last or not server.forgets:
                        raise

    def finish(self, server, wish, connection):
        return wish.finish(connection, server.request(HOSTS[0]), lambda data: server.is_answer(data, HOSTS[0]))

    def expectations(self, server):
        """(port, client, the leaf that is shown with data, None where it is refused)."""
        first, second, weak = server.all_ports()
        return [
            (first, self.good, self.injected), (first, self.second, None), (first, None, None),
            (second, self.second, self.other), (second, self.good, None), (second, None, None),
            (weak, None, server.own[0]),
        ]

    def check(self, server, version, expected, **options):
        port, who, leaf = expected
        data, shown = self.ask(server, port, version, who, **options)
        if leaf is None:
            return [] if data == b"" else [f"{port}: served {data[:40]!r}"]
        if not server.is_answer(data, HOSTS[0]) or shown != leaf.leaf_sha256:
            return [f"{port}: not served as it should be: {data[:40]!r}, shown {shown}"]
        return []

    def test_side_by_side(self):
        """All three ports at once, six connections at a time."""
        for kind in SEVERAL:
            server = self.started(kind)
            wanted = list(itertools.product(VERSIONS, self.expectations(server))) * 4
            with self.subTest(server=kind.name), ThreadPoolExecutor(6) as threads:
                wrong = list(threads.map(lambda one, server=server: self.check(server, *one), wanted))
                self.assertEqual([line for lines in wrong for line in lines], [])
                self.assertNotIn(NOT_KNOWN, server.said())
            server.stop()

    def test_a_certificate_alone_on_one_of_them(self):
        """`server` beside `mutual`: the certificate is ours, and nobody is asked."""
        injected = self.pki.server("ec", 8)
        for kind in SEVERAL:
            server = self.started(kind, weak={"mode": "server", **self.pair(injected, "open")})
            first, _, weak = server.all_ports()
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    self.assertEqual(self.check(server, version, (weak, None, injected)), [])
                    self.assertEqual(self.check(server, version, (first, None, None)), [])
                    self.assertEqual(self.check(server, version, (first, self.good, self.injected)), [])
            server.stop()

    def test_cut_hellos(self):
        """Records of one byte, and of some."""
        for kind in SEVERAL:
            server = self.started(kind)
            for version, cut, expected in itertools.product(VERSIONS, (1, 37), self.expectations(server)):
                with self.subTest(server=kind.name, version=version, cut=cut):
                    self.assertEqual(self.check(server, version, expected, cut=cut), [])
            self.assertNotIn(NOT_KNOWN, server.said())
            server.stop()

    def test_alerts_around_a_hello(self):
        """Which libssl does not take, whoever asks; the server lives on."""
        for kind in SEVERAL:
            server = self.started(kind)
            for version, cut, port in itertools.product(VERSIONS, (None, 37), server.all_ports()):
                with self.subTest(server=kind.name, version=version, cut=cut):
                    data, _ = self.ask(server, port, version, self.good, cut, replay.WARNING_ALERT)
                    self.assertEqual(data, b"")
            for expected in self.expectations(server):
                with self.subTest(server=kind.name):
                    self.assertEqual(self.check(server, TLS13, expected), [])
            server.stop()

    def test_a_hello_retry_request(self):
        for kind in SEVERAL:
            server = self.started(kind, groups="P-256")
            more = ["-groups", "X25519:P-256"]
            for port, who, leaf in self.expectations(server):
                with self.subTest(server=kind.name, port=server.all_ports().index(port), client=who and who.cert.name):
                    result = client.probe(
                        port, server.request(HOSTS[0]), TLS13, client=who, more=more, timeout=4  # some never close
                    )
                    self.assertEqual(server.is_answer(result.data, HOSTS[0]), leaf is not None, str(result))
                    if leaf:
                        self.assertEqual(result.leaf_sha256, leaf.leaf_sha256)
            server.stop()

    # one random on two ports

    def replays(self, server, version):
        """Each way to have one ClientHello on the weak and on the strong port. Yields the data that the strong one gave."""
        for number in range(5):
            wish = replay.Client(version)
            hello = wish.hello
            with replay.connect(server.all_ports()[2]) as weak, replay.connect(server.all_ports()[0]) as strong:
                if number == 0:  # whole there, then whole here
                    weak.sendall(hello)
                    strong.sendall(hello)
                elif number == 1:  # nearly whole there, so that it waits
                    weak.sendall(hello[:-1])
                    strong.sendall(hello)
                elif number == 2:  # here first, whole only after the other
                    strong.sendall(hello[:-1])
                    weak.sendall(hello)
                    strong.sendall(hello[-1:])
                elif number == 3:  # both wait
                    strong.sendall(hello[:-1])
                    weak.sendall(hello[:-1])
                    weak.sendall(hello[-1:])
                    strong.sendall(hello[-1:])
                else:  # cut differently
                    weak.sendall(replay.records(hello, 50))
                    strong.sendall(replay.records(hello, 1))
                yield number, self.finish(server, wish, strong)

    def test_one_random_on_two_ports(self):
        for kind in SEVERAL:
            server = self.started(kind)
            for version in VERSIONS:
                for _ in range(5):
                    for number, data in self.replays(server, version):
                        with self.subTest(server=kind.name, version=version, way=number):
                            self.assertEqual(data, b"")
                for expected in self.expectations(server):
                    with self.subTest(server=kind.name, version=version):
                        self.assertEqual(self.check(server, version, expected), [])
            server.stop()

    def test_a_hello_in_plaintext_before_the_real_one(self):
        """STARTTLS: what looks like a ClientHello comes as a command first, the same as the one that waits elsewhere."""
        server = self.started(DovecotSeveral)
        for version in VERSIONS:
            for early in (False, True):
                wish, fake = replay.Client(version), replay.Client(version)
                with replay.connect(server.all_ports()[2]) as weak, replay.connect(server.starttls) as strong:
                    strong.recv(4096)
                    if early:
                        weak.sendall(wish.hello)
                    strong.sendall(fake.hello.replace(b"\n", b"x") + b"\r\n")
                    self.assertIn(b"* BAD", strong.recv(4096))
                    strong.sendall(b"a STARTTLS\r\n")
                    self.assertIn(b"a OK", strong.recv(4096))
                    if not early:
                        weak.sendall(wish.hello[:-1])
                    strong.sendall(wish.hello)
                    with self.subTest(version=version, early=early):
                        self.assertEqual(self.finish(server, wish, strong), b"")

    def test_starttls(self):
        """The hello comes after lines of plaintext: it is found all the same, and the certificate suffices."""
        server = self.started(DovecotSeveral)
        for version in VERSIONS:
            for who, served in ((self.good, True), (self.second, False), (None, False)):
                wish = replay.Client(version, who)
                with replay.connect(server.starttls) as connection:
                    connection.recv(4096)
                    connection.sendall(b"a STARTTLS\r\n")
                    self.assertIn(b"a OK", connection.recv(4096))
                    connection.sendall(wish.hello)
                    with self.subTest(version=version, client=who and who.cert.name):
                        data = self.finish(server, wish, connection)
                        self.assertEqual(server.is_answer(data, HOSTS[0]), served, data)
        self.assertNotIn(NOT_KNOWN, server.said())

    # where it is not known

    def test_what_is_not_known_is_refused_and_said_once(self):
        """The form of a hello that SSL 2 had, which libssl still takes, is not looked for: two sections verify differently."""
        server = self.started(HaproxySeveral)
        suites = b"\x00\xc0\x2f\x00\xc0\x30"
        body = b"\x01\x03\x03" + len(suites).to_bytes(2, "big") + b"\0\0\0\x20" + suites + bytes(range(32))
        for _ in range(3):
            with replay.connect(server.all_ports()[2]) as connection:
                connection.sendall((0x8000 | len(body)).to_bytes(2, "big") + body)
                answer = connection.recv(4096)
                self.assertEqual(answer[:1] + answer[5:7], b"\x15\x02\x50", answer)  # internal_error
        self.assertEqual(server.said().count(NOT_KNOWN), 1)
