# SPDX-License-Identifier: Apache-2.0
"""Six stock servers, two protocol versions, every kind of client: who is served, and what the client sees."""

from support.case import ServerCase
from support.client import VERSIONS
from support.pki import HOSTS

from servers.apache import Apache
from servers.everyone import SERVERS
from servers.haproxy import Haproxy
from servers.mosquitto import Mosquitto
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.redis import Redis

# The injected certificate's key type and the server's own: the server's slot for another type must not win.
KEY_TYPES = (("rsa", "ec"), ("ec", "rsa"), ("ed25519", "rsa"))


class Matrix(ServerCase):
    def everywhere(self, kind):
        for version in VERSIONS:
            for host in HOSTS[: kind.hosts]:
                yield version, host

    def mutual_matrix(self, kind, ours, own):
        injected = self.pki.server(ours)
        server = self.grafted(kind, self.ini({"server": self.mutual(injected)}), own)
        bad = {"none": None, **self.pki.clients}
        good = bad.pop("good")
        for version, host in self.everywhere(kind):
            with self.subTest(ours=ours, own=own, version=version, host=host, client="good"):
                result = self.probe(server, version, good, host)
                self.assert_served(server, result, injected, host)
                self.assertEqual(result.version, version)
                self.assertIn(b"Test CA", result.ca_names)
                self.assertNotIn(b"Own CA", result.ca_names)
            for name, who in bad.items():
                with self.subTest(ours=ours, own=own, version=version, host=host, client=name):
                    result = self.probe(server, version, who, host)
                    self.assert_refused(result, injected)
                    self.assertTrue(result.asked, f"no certificate was asked for: {result}")
        self.assertTrue(server.stop(), "the server did not end by itself")

    def all_key_types(self, kind):
        for ours, own in KEY_TYPES:
            self.mutual_matrix(kind, ours, own)

    def test_mutual_nginx(self):
        self.all_key_types(Nginx)

    def test_mutual_apache(self):
        self.all_key_types(Apache)

    def test_mutual_haproxy(self):
        self.all_key_types(Haproxy)

    def test_mutual_mosquitto(self):
        self.all_key_types(Mosquitto)

    def test_mutual_redis(self):
        self.all_key_types(Redis)

    def test_mutual_python(self):
        self.all_key_types(PythonSsl)

    test_mutual_nginx.under_asan = test_mutual_python.under_asan = True

    def test_optional(self):
        """Absent is fine, a bad one is refused, also one that the server's own trust would take."""
        injected = self.pki.server("rsa")
        bad = {name: who for name, who in self.pki.clients.items() if name != "good"}
        for kind in SERVERS:
            server = self.grafted(kind, self.ini({"server": self.mutual(injected, mode="optional")}), "ec")
            for version, host in self.everywhere(kind):
                for name, who in (("none", None), ("good", self.pki.clients["good"])):
                    with self.subTest(server=kind.name, version=version, host=host, client=name):
                        result = self.probe(server, version, who, host)
                        self.assert_served(server, result, injected, host)
                        self.assertTrue(result.asked)
                for name, who in bad.items():
                    with self.subTest(server=kind.name, version=version, host=host, client=name):
                        self.assert_refused(self.probe(server, version, who, host), injected)
            server.stop()

    def test_server(self):
        """Ours is served; who is asked for a certificate stays the server's own business."""
        injected = self.pki.server("rsa")
        ini = self.ini({"server": {"mode": "server", **self.pair(injected)}})
        for kind in SERVERS:
            server = self.grafted(kind, ini, "ec")
            for version, host in self.everywhere(kind):
                for name in ("none", "wrong CA"):
                    with self.subTest(server=kind.name, version=version, host=host, client=name):
                        result = self.probe(server, version, self.pki.clients.get(name), host)
                        self.assert_served(server, result, injected, host)
                        self.assertFalse(result.asked)
            server.stop()
            if kind is Nginx:
                continue  # refuses over TLS, with a page of its own
            server = self.grafted(kind, ini, "ec", native=self.pki)
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version, native=True):
                    good, wrong = self.pki.clients["good"], self.pki.clients["wrong CA"]
                    self.assert_served(server, self.probe(server, version, good), injected)
                    self.assert_refused(self.probe(server, version), injected)
                    self.assert_refused(self.probe(server, version, wrong), injected)
            server.stop()

    def test_server_with_override_asks_nobody(self):
        injected = self.pki.server("rsa")
        ini = self.ini({"server": {"mode": "server", "override": "yes", **self.pair(injected)}})
        for kind in SERVERS:
            server = self.grafted(kind, ini, "ec", native=self.pki)
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    result = self.probe(server, version)
                    if kind in (Nginx, Apache):  # look again themselves, once the handshake is done
                        self.assertEqual(result.chain_sha256, injected.chain_sha256)
                    else:
                        self.assert_served(server, result, injected)
                    self.assertFalse(result.asked)
            server.stop()

    def test_off(self):
        ini = self.ini({"server": {"mode": "off"}})
        for kind in SERVERS:
            for native in (None, self.pki):
                server = self.grafted(kind, ini, "ec", native=native)
                for version in VERSIONS:
                    for number, host in enumerate(HOSTS[: kind.hosts]):
                        with self.subTest(server=kind.name, version=version, host=host, native=bool(native)):
                            who = self.pki.clients["good"] if native else None
                            result = self.probe(server, version, who, host)
                            self.assert_served(server, result, server.own[number], host)
                            self.assertEqual(result.asked, bool(native))
                    if native and kind is not Nginx:
                        self.assert_refused(self.probe(server, version))
                server.stop()

    def test_optional_does_not_weaken_a_server_that_demands(self):
        injected = self.pki.server("rsa")
        ini = self.ini({"server": self.mutual(injected, mode="optional")})
        for kind in SERVERS:
            if kind is Nginx:  # demands above TLS: see below
                continue
            server = self.grafted(kind, ini, "ec", native=self.pki)
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    self.assert_refused(self.probe(server, version), injected)
                    good = self.probe(server, version, self.pki.clients["good"])
                    self.assert_served(server, good, injected)
            server.stop()
        server = self.grafted(Nginx, ini, "ec", native=self.pki)
        for version in VERSIONS:
            self.assertIn(b" 400 ", self.probe(server, version).data[:20])
            self.assert_served(server, self.probe(server, version, self.pki.clients["good"]), injected)

    def test_both_key_types_side_by_side(self):
        """A pair for RSA beside one for ECDSA: each client gets the one it can use."""
        rsa, ec = self.pki.server("rsa"), self.pki.server("ec")
        first, second = self.pair(rsa, "rsa"), self.pair(ec, "ec")
        (self.home / "site.ini").write_text(
            "[server]\nmode = mutual\n"
            f"cert = {first['cert']}\nkey = {first['key']}\ncert = {second['cert']}\nkey = {second['key']}\n"
            f"ca = {self.pki.ca.cert}\n"
        )
        server = self.grafted(Nginx, self.home / "site.ini", "ec")
        good = self.pki.clients["good"]
        for words, expected in (("RSA-PSS+SHA256", rsa), ("ECDSA+SHA256", ec)):
            for version in VERSIONS:
                with self.subTest(signatures=words, version=version):
                    # the client's own EC key needs ECDSA: so it only lists what the server may sign with
                    who = good if words.startswith("ECDSA") else self.rsa_client()
                    self.assert_served(server, self.probe(server, version, who, more=["-sigalgs", words]), expected)

    def rsa_client(self):
        return self.pki.ca.issue("client", "client", "rsa")
