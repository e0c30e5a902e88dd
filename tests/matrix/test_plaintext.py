# SPDX-License-Identifier: Apache-2.0
"""Ports that begin in plaintext: what the notes say of the server's own switches, and FTP's own hosts and ports."""

import socket
import subprocess

from support import client
from support.case import ServerCase
from support.pki import HOSTS

from servers.dovecot import Dovecot
from servers.mariadb import Mariadb
from servers.nginx_proxy import NginxImap
from servers.postfix import Postfix
from servers.postgresql import Postgresql
from servers.proftpd import Proftpd, ProftpdHosts, ProftpdImplicit
from servers.vsftpd import Vsftpd, VsftpdImplicit


class Plaintext(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected, self.good = self.pki.server("rsa"), self.pki.clients["good"]
        self.site = self.ini({"server": self.mutual(self.injected)})

    def assert_mutual(self, server):
        for version in server.versions:
            self.assert_served(server, self.probe(server, version, self.good), self.injected)
            for who in (None, self.pki.clients["wrong CA"]):
                self.assert_refused(self.probe(server, version, who), self.injected)

    def switch(self, kind):
        """Open without the switch, which no hook into libssl can help; closed with it. TLS is the same."""
        for tls_only in (False, True):
            server = self.grafted(kind, self.site, tls_only=tls_only)
            data = server.in_plaintext(HOSTS[0])
            self.assertEqual(server.is_answer(data, HOSTS[0]), not tls_only, f"{kind.closes_plaintext}: {data!r}")
            self.assert_mutual(server)
        return server

    def test_dovecot(self):
        server = self.switch(Dovecot)
        data = server.in_plaintext(HOSTS[0], source="127.0.0.1")
        self.assertTrue(server.is_answer(data, HOSTS[0]), f"a client with the server's own address: {data!r}")

    def test_mariadb(self):
        self.switch(Mariadb)

    def test_nginx(self):
        """It looks whether a login may be tried before it asks its own server of logins, which is not there."""
        for switch, answer in (("only", b"a1 BAD invalid command"), ("on", b"* BAD internal server error")):
            kind = type("NginxImap", (NginxImap,), {"tls": f"; starttls {switch}"})
            server = self.grafted(kind, self.site)
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
                connection.recv(1024)
                connection.sendall(b"a1 LOGIN tester word\r\n")
                self.assertIn(answer, connection.recv(1024), switch)
            self.assert_mutual(server)

    def test_postfix(self):
        self.switch(Postfix)

    def test_postgresql(self):
        self.switch(Postgresql)

    def test_proftpd(self):
        self.switch(Proftpd)

    def test_vsftpd(self):
        self.switch(Vsftpd)

    def test_vsftpd_with_its_filter(self):
        """It kills a process for any system call that it does not know: TLS makes such calls, the shim none."""
        plain = self.make(Vsftpd, filtered=True).start()
        login = b"USER anonymous\r\nPASS guest@client.example\r\nQUIT\r\n"
        for server in (plain, self.grafted(Vsftpd, self.site, filtered=True)):
            self.assertEqual(self.probe(server, who=self.good).data, b"", "its filter lets TLS through now: amend the note")
            said = client.plain(server.port, login, speaks_first=True)
            self.assertIn(b"230 ", said)
            self.assertIn(b"221 ", said)

    def test_proftpd_virtual_hosts(self):
        plain = self.make(ProftpdHosts).start()
        server = self.grafted(ProftpdHosts, self.site)
        for number, host in enumerate(HOSTS):
            self.assert_served(plain, self.probe(plain, host=host), plain.own[number], host)
            for version in server.versions:
                self.assert_served(server, self.probe(server, version, self.good, host), self.injected, host)
                for who in (None, self.pki.clients["wrong CA"]):
                    self.assert_refused(self.probe(server, version, who, host), self.injected)

    def implicit(self, kind):
        server = self.grafted(kind, self.site)
        self.assert_mutual(server)
        for who in (self.good, None):
            words = [str(word) for word in server.client_words(who, self.pki.ca.cert)]
            done = subprocess.run(words, capture_output=True, timeout=30, check=False)
            self.assertEqual(server.client_served(done), who is not None, f"{words[0]}: {done}")

    def test_proftpd_implicit(self):
        self.implicit(ProftpdImplicit)

    def test_vsftpd_implicit(self):
        self.implicit(VsftpdImplicit)
