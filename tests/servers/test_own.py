# SPDX-License-Identifier: Apache-2.0
"""Servers without a certificate of their own: started where every connection is governed, and never left to themselves."""

import subprocess
from pathlib import Path

from support import client, replay
from support.case import ServerCase
from support.client import TLS12, TLS13, VERSIONS
from support.pki import HOSTS, Credential, openssl

from servers.bare import BARE, BareApache, BareAsyncio, BareMariadb, BareRedis
from servers.coturn import Coturn
from servers.dovecot import DovecotImaps
from servers.freeradius import Freeradius
from servers.haproxy import Haproxy
from servers.lighttpd import Lighttpd
from servers.nginx import Nginx
from servers.postgresql import Postgresql
from servers.proftpd import ProftpdImplicit
from servers.terminators import Hitch, Stunnel

CERTS = Path(__file__).resolve().parents[2] / "examples/certs"
NOT_NEEDED = "not needed, every connection is governed"


class Own(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        self.good = self.pki.clients["good"]

    def ask(self, server, version=TLS13, who=None):
        """The data, and the leaf that the server showed."""
        wish = replay.Client(version, who)
        with replay.connect(server.port) as connection:
            connection.sendall(wish.hello)
            data = wish.finish(connection, server.request(HOSTS[0]), lambda data: server.is_answer(data, HOSTS[0]))
        return data, wish.leaf_sha256()

    def bare(self, kind, sections, wait=True, **options):
        server = self.make(kind, **options)
        server.start(wrap=self.graft.run(self.ini(sections)), environment=self.graft.environment(), wait=wait)
        return server

    def assert_serves_ours(self, server, version=TLS13):
        self.assertEqual(self.ask(server, version)[0], b"")
        data, shown = self.ask(server, version, self.good)
        self.assertTrue(server.is_answer(data, HOSTS[0]), data)
        self.assertEqual(shown, self.injected.leaf_sha256)

    def assert_does_not_serve(self, server):
        """It ends, or what it accepts it cannot serve."""
        try:
            server.start()
            self.assertEqual(self.ask(server, who=self.good), (b"", None))
        except (AssertionError, OSError) as fault:
            self.assertNotIn("not within", str(fault))
        finally:
            server.stop()

    def test_they_start_and_serve_ours(self):
        for kind in BARE:
            server = self.bare(kind, {"server": self.mutual(self.injected)})
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    self.assert_serves_ours(server, version)
            server.stop()

    def test_they_do_not_without(self):
        """What the test before proves is the shim's doing."""
        for kind in BARE:
            with self.subTest(server=kind.name):
                self.assert_does_not_serve(self.make(kind))

    def test_mariadb(self):
        server = self.bare(BareMariadb, {"server": self.mutual(self.injected)})
        for version in VERSIONS:
            for who, finished in ((self.good, True), (None, False)):
                with self.subTest(version=version, client=bool(who)):
                    result = client.probe(server.port, b"\0", version, client=who, starttls="mysql", timeout=4)
                    self.assertEqual(result.chain_sha256, self.injected.chain_sha256, str(result))
                    refused = {"certificate_required", "handshake_failure"} & set(result.alerts)
                    self.assertEqual(not refused, finished, str(result))
        server.stop()
        server = self.make(BareMariadb)
        server.start(wait=False)
        self.assertNotEqual(server.process.wait(30), 0)

    def test_why_is_said_once_for_each_file(self):
        server = self.bare(BareRedis, {"server": self.mutual(self.injected)})
        self.assert_serves_ours(server)
        said = [line for line in server.output.read_text().splitlines() if NOT_NEEDED in line]
        self.assertEqual(len(said), 2, said)
        self.assertIn(f"{server.home}/own0.pem cannot be used (No such file or directory)", said[0])
        self.assertIn(f"{server.home}/own0.key cannot be used (No such file or directory)", said[1])

    def test_a_key_of_another_certificate(self):
        server = self.make(BareAsyncio)
        server.missing = list
        (server.home / "own0.key").write_bytes(self.pki.own("ec").key.read_bytes())
        server.start(wrap=self.graft.run(self.ini({"server": self.mutual(self.injected)})))
        self.assert_serves_ours(server)
        self.assertIn(NOT_NEEDED, server.output.read_text())

    def test_nothing_is_made_good_where_a_connection_may_be_the_servers_own(self):
        """A listener or a name under `off`, or no [server] section: the server says what is wrong, and ends."""
        mutual = self.mutual(self.injected)
        for sections in (
            {"server": mutual, "listener open": {"listen": "127.0.0.1:1", "mode": "off"}},
            {"server": mutual, "sni open": {"names": "open.example", "mode": "off"}},
            {"listener only": {"listen": "127.0.0.1:1", **mutual}},
            {"server": {"mode": "off"}},
        ):
            for kind in (BareRedis, BareAsyncio):
                with self.subTest(server=kind.name, sections=list(sections)):
                    server = self.bare(kind, sections, wait=False)
                    self.assertEqual(server.process.wait(15), 1, server.logs())
                    self.assertNotIn(NOT_NEEDED, server.output.read_text())
                    server.stop()
        with self.subTest(server="apache2"):
            sections = {"server": mutual, "listener open": {"listen": "127.0.0.1:1", "mode": "off"}}
            server = self.bare(BareApache, sections, wait=False)
            self.assertNotEqual(server.process.wait(15), 0, server.logs())

    def test_left_to_itself_by_a_reload_it_serves_nothing(self):
        """A change to `off`: no certificate, neither its own nor the one that was injected before."""
        for kind in (BareRedis, BareAsyncio, BareApache):
            server = self.bare(kind, {"server": self.mutual(self.injected)})
            self.assert_serves_ours(server)
            self.ini({"server": {"mode": "off"}})
            self.assert_reloaded(server)
            for version in VERSIONS:
                for who in (None, self.good):
                    with self.subTest(server=kind.name, version=version, client=bool(who)):
                        self.assertEqual(self.ask(server, version, who), (b"", None))
            self.ini({"server": self.mutual(self.injected)})
            self.assert_reloaded(server)
            with self.subTest(server=kind.name):
                self.assert_serves_ours(server, TLS12)
            server.stop()

    def test_trust_is_made_good_where_ours_alone_counts(self):
        """Under `server` the server judges its clients by what it trusts: without that it does not start."""
        for sections, starts in (
            ({"server": self.mutual(self.injected)}, True),
            ({"server": {"mode": "server", **self.pair(self.injected)}}, False),
        ):
            server = self.make(BareRedis)
            server.options += ["--tls-ca-cert-file", server.home / "no-ca.pem"]
            server.start(wrap=self.graft.run(self.ini(sections)), environment=self.graft.environment(), wait=starts)
            with self.subTest(mode=sections["server"]["mode"]):
                if starts:
                    self.assert_serves_ours(server)
                else:
                    self.assertEqual(server.process.wait(15), 1, server.logs())
            server.stop()


class Placeholder(ServerCase):
    """Servers that read their certificate themselves: examples/certs/placeholder.sh makes one for them to read."""

    KINDS = (
        Nginx, Haproxy, Lighttpd, Stunnel, Hitch, Postgresql, Freeradius, ProftpdImplicit, DovecotImaps, Coturn,
    )

    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        folder = self.home / "placeholder"
        subprocess.run([CERTS / "placeholder.sh", folder], check=True, capture_output=True)
        self.placeholder = Credential(folder / "placeholder.key", folder / "placeholder.pem")

    def make(self, kind, own="rsa", **options):
        server = kind(self.home / f"{kind.name}{len(self.servers)}", [self.placeholder] * kind.hosts, **options)
        self.servers.append(server)
        return server

    def test_it_is_enough_and_never_served(self):
        ini = self.ini({"server": self.mutual(self.injected)})
        for kind in self.KINDS:
            server = self.grafted(kind, ini)
            for version in getattr(kind, "versions", VERSIONS):
                for host in HOSTS[: kind.hosts]:
                    with self.subTest(server=kind.name, version=version, host=host):
                        self.assert_refused(self.probe(server, version, host=host), self.injected)
                        result = self.probe(server, version, self.pki.clients["good"], host)
                        self.assert_served(server, result, self.injected, host)
            server.stop()

    def test_it_is_what_the_server_would_serve(self):
        """Without the shim: so the test before shows something."""
        for kind in (Nginx, Haproxy):
            server = self.make(kind).start()
            with self.subTest(server=kind.name):
                self.assert_served(server, self.probe(server), self.placeholder)
            server.stop()

    def test_without_any_they_do_not_start(self):
        ini = self.ini({"server": self.mutual(self.injected)})
        for kind in (Nginx, Haproxy, Lighttpd, Stunnel, Hitch):
            server = self.make(kind)
            for path in server.home.glob("own*"):
                path.unlink()
            server.start(wrap=self.graft.run(ini), environment=self.graft.environment(), wait=False)
            with self.subTest(server=kind.name):
                self.assertNotEqual(server.process.wait(15), 0, server.logs())
            server.stop()

    def test_the_script(self):
        folder = self.placeholder.key.parent
        said = openssl("x509", "-in", self.placeholder.cert, "-noout", "-subject", "-text").decode()
        self.assertIn("CN = placeholder that is never served", said)
        self.assertNotIn("Subject Alternative Name", said)
        self.assertEqual(self.placeholder.key.stat().st_mode & 0o777, 0o600)
        self.assertEqual((folder / "placeholder.both.pem").stat().st_mode & 0o777, 0o600)
        again = subprocess.run([CERTS / "placeholder.sh", folder], check=False, capture_output=True, text=True)
        self.assertEqual(again.returncode, 73)
        self.assertIn("exists already", again.stderr)
