# SPDX-License-Identifier: Apache-2.0
"""The probes themselves, on servers without tlsgraft: they must see a good server as good and a bad one as bad."""

from support.case import ServerCase
from support.client import VERSIONS
from support.pki import HOSTS

from servers.everyone import SERVERS
from servers.redis import Redis


class Probes(ServerCase):
    def test_a_server_that_asks_nobody_serves_everybody(self):
        for kind in SERVERS:
            server = self.make(kind, "ec").start()
            for version in VERSIONS:
                for number, host in enumerate(HOSTS[: kind.hosts]):
                    for who in (None, self.pki.clients["wrong CA"]):
                        with self.subTest(server=kind.name, version=version, host=host, who=who and "wrong CA"):
                            result = self.probe(server, version, who, host)
                            self.assert_served(server, result, server.own[number], host)
                            self.assertEqual(result.version, version)
                            self.assertFalse(result.asked)

    def test_a_server_of_mutual_tls_by_itself_refuses(self):
        bad = {"none": None, **self.pki.clients}
        good, not_allowed = bad.pop("good"), bad.pop("not allowed")
        for kind in SERVERS:
            if kind.name == "nginx":  # answers over TLS, with status 400, where others end the handshake
                continue
            server = self.make(kind, "rsa", native=self.pki).start()
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    self.assert_served(server, self.probe(server, version, good), server.own[0])
                    self.assert_served(server, self.probe(server, version, not_allowed), server.own[0])
                for name, who in bad.items():
                    if name == "revoked" and kind is Redis:  # it knows no CRL
                        continue
                    with self.subTest(server=kind.name, version=version, client=name):
                        result = self.probe(server, version, who)
                        self.assert_refused(result, server.own[0])
                        self.assertTrue(result.asked, str(result))

    def test_resumption_is_seen(self):
        server = self.make(SERVERS[0]).start()
        for version in VERSIONS:
            session = self.home / f"session{version}"
            self.assert_served(server, self.probe(server, version, session_out=session), server.own[0])
            self.assert_served(server, self.probe(server, version, session_in=session), server.own[0], resumed=True)
