# SPDX-License-Identifier: Apache-2.0
"""Under `server`, our certificate is served and whom the server asks for one of theirs stays its own business."""

from support.case import ServerCase
from support.pki import HOSTS

from servers.bind import Bind
from servers.coturn import Coturn
from servers.dovecot import Dovecot
from servers.freeradius import Freeradius
from servers.postfix import Postfix
from servers.postgresql import Postgresql
from servers.proftpd import Proftpd
from servers.vsftpd import Vsftpd


class OwnRule(ServerCase):
    def refuses(self, kind):
        """With mutual TLS by the server's own settings; some say above TLS why they turn a client away."""
        injected = self.pki.server("rsa")
        server = self.grafted(kind, self.ini({"server": {"mode": "server", **self.pair(injected)}}), native=self.pki)
        for version in kind.versions:
            self.assert_served(server, self.probe(server, version, self.pki.clients["good"]), injected)
            for name in ("none", "wrong CA"):
                result = self.probe(server, version, self.pki.clients.get(name))
                self.assertTrue(result.asked, f"{name}: {result}")
                self.assertFalse(server.is_answer(result.data, HOSTS[0]), f"{name}: {result}")
                self.assertIn(result.chain_sha256, ([], injected.chain_sha256), f"{name}: {result}")

    def test_bind(self):
        self.refuses(Bind)

    def test_coturn(self):
        self.refuses(Coturn)

    def test_dovecot(self):
        self.refuses(Dovecot)

    def test_freeradius(self):
        self.refuses(Freeradius)

    def test_postfix(self):
        self.refuses(Postfix)

    def test_postgresql(self):
        self.refuses(Postgresql)

    def test_proftpd(self):
        self.refuses(Proftpd)

    def test_vsftpd(self):
        self.refuses(Vsftpd)
