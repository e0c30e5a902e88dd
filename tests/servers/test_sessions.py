# SPDX-License-Identifier: Apache-2.0
"""Sessions carry the policy: what was agreed under another one does not come back."""

import time

from support.case import ServerCase
from support.client import VERSIONS
from support.procs import wait_until

from servers.everyone import SERVERS
from servers.haproxy import HaproxyWithCache


class Sessions(ServerCase):
    def rewrite(self, server, keys):
        self.ini({"server": keys})
        self.assert_reloaded(server)

    def test_a_good_session_resumes_also_after_a_renewal(self):
        """Only what a client was told changes: a renewed server certificate throws no session away."""
        good = self.pki.clients["good"]
        for kind in SERVERS:
            old, new = self.pki.server("rsa"), self.pki.server("rsa", 1)
            server = self.grafted(kind, self.ini({"server": self.mutual(old)}))
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    session = self.home / f"{kind.name}{version}"
                    self.assert_served(server, self.probe(server, version, good, session_out=session), old)
                    again = self.probe(server, version, good, session_in=session)
                    self.assert_served(server, again, old, resumed=kind.resumes[version])
            self.pair(new)
            self.assert_reloaded(server)
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version, renewed=True):
                    session = self.home / f"{kind.name}{version}"
                    again = self.probe(server, version, good, session_in=session)
                    self.assert_served(server, again, new, resumed=kind.resumes[version])
                    fresh = self.probe(server, version, good)
                    self.assert_served(server, fresh, new)
            server.stop()

    def change_to_mutual(self, before):
        """Sessions of a policy that wanted no certificate, tried after the change to mutual."""
        injected = self.pki.server("rsa")
        good = self.pki.clients["good"]
        for kind in SERVERS:
            server = self.grafted(kind, self.ini({"server": before(injected)}))
            for version in VERSIONS:
                first = self.probe(server, version, session_out=self.home / f"{kind.name}{version}")
                self.assertTrue(server.is_answer(first.data, "one.example"), f"{kind.name}: {first}")
            self.rewrite(server, self.mutual(injected))
            for version in VERSIONS:
                session = self.home / f"{kind.name}{version}"
                with self.subTest(server=kind.name, version=version, client="none"):
                    self.assertTrue(session.exists(), "the server gave no session")
                    self.assert_refused(self.probe(server, version, session_in=session), injected)
                with self.subTest(server=kind.name, version=version, client="good"):
                    self.assert_served(server, self.probe(server, version, good, session_in=session), injected)
            server.stop()

    def test_off_to_mutual(self):
        self.change_to_mutual(lambda _: {"mode": "off"})

    def test_server_to_mutual(self):
        self.change_to_mutual(lambda injected: {"mode": "server", **self.pair(injected)})

    def test_optional_to_mutual(self):
        self.change_to_mutual(lambda injected: self.mutual(injected, mode="optional"))

    def forgotten(self, who, before, after, kinds=SERVERS):
        """A client's session is good under `before`; under `after` it brings no data, with or without its certificate."""
        injected = self.pki.server("rsa")
        for kind in kinds:
            server = self.grafted(kind, self.ini({"server": before(injected)}))
            for version in VERSIONS:
                session = self.home / f"{kind.name}{version}"
                self.assert_served(server, self.probe(server, version, who, session_out=session), injected)
                if kind.resumes[version]:
                    again = self.probe(server, version, who, session_in=session)
                    self.assert_served(server, again, injected, resumed=True)
            self.rewrite(server, after(injected))
            for version in VERSIONS:
                session = self.home / f"{kind.name}{version}"
                for shown in (None, who):
                    with self.subTest(server=kind.name, version=version, certificate=bool(shown)):
                        self.assert_refused(self.probe(server, version, shown, session_in=session), injected)
            server.stop()

    def test_a_removed_ca(self):
        both = [self.pki.ca.cert, self.pki.second_ca.cert]
        self.forgotten(
            self.pki.client(self.pki.second_ca),
            lambda injected: self.mutual(injected, ca=both, crl=None),
            lambda injected: self.mutual(injected, crl=None),
        )

    def test_the_servers_own_cache(self):
        """HAProxy writes a context of its own into each session that it stores and fetches: ours stays all the same."""
        both = [self.pki.ca.cert, self.pki.second_ca.cert]
        self.forgotten(
            self.pki.client(self.pki.second_ca),
            lambda injected: self.mutual(injected, ca=both, crl=None),
            lambda injected: self.mutual(injected, crl=None),
            [HaproxyWithCache],
        )
        self.forgotten(
            self.pki.clients["good"],
            lambda injected: self.mutual(injected, mode="optional"),
            lambda injected: self.mutual(injected, allow="URI:spiffe://example/other"),
            [HaproxyWithCache],
        )

    def test_a_revoked_client(self):
        who = self.pki.client(self.pki.ca)
        later = self.home / "later.crl"

        def after(injected):
            if not later.exists():
                self.pki.ca.revoke(who)
                self.pki.ca.write_crl(later)
            return self.mutual(injected, crl=later)

        self.forgotten(who, self.mutual, after)

    def test_a_client_no_longer_allowed(self):
        def after(injected):
            return self.mutual(injected, allow="URI:spiffe://example/other")

        self.forgotten(self.pki.clients["good"], self.mutual, after)

    def test_a_client_certificate_that_expires_meanwhile(self):
        injected = self.pki.server("rsa")
        servers = [self.grafted(kind, self.ini({"server": self.mutual(injected)})) for kind in SERVERS]
        end = time.time() + 9
        who = self.pki.client(self.pki.ca, end=9)
        for server in servers:
            for version in VERSIONS:
                session = self.home / f"{server.name}{version}"
                self.assert_served(server, self.probe(server, version, who, session_out=session), injected)
        wait_until(lambda: time.time() > end + 1, 12, "the certificate's end")
        for server in servers:
            for version in VERSIONS:
                with self.subTest(server=server.name, version=version):
                    session = self.home / f"{server.name}{version}"
                    self.assert_refused(self.probe(server, version, session_in=session), injected)
