# SPDX-License-Identifier: Apache-2.0
"""max_session_age: how long after a full handshake a client resumes, and what happens then: a full handshake, no failure."""

import time

from support.case import ServerCase
from support.client import TLS12, TLS13, VERSIONS
from support.procs import wait_until

from servers.apache import Apache
from servers.everyone import SERVERS
from servers.nginx import Nginx
from servers.redis import Redis

AGE = 3
TRIES = 4  # an age may end between any two connections; not between all of them


class SessionAge(ServerCase):
    def session(self, server, version):
        return self.home / f"{server.name}{version}"

    def full(self, server, version, who, injected):
        """A full handshake; when it began at the latest."""
        path = self.session(server, version)
        path.unlink(missing_ok=True)
        begun = time.time()
        self.assert_served(server, self.probe(server, version, who, session_out=path), injected)
        return begun

    def resumes(self, server, version, who):
        """Uses the session, and keeps the one that it is given in return, as a browser does."""
        path = self.session(server, version)
        result = self.probe(server, version, who, session_in=path, session_out=path)
        self.assertTrue(server.is_answer(result.data, "one.example"), f"a client that is let in failed: {result}")
        return result.resumed

    def resumes_when_young(self, server, version, who, injected):
        for _ in range(TRIES):
            begun = self.full(server, version, who, injected)
            if self.resumes(server, version, who):
                return begun
        raise AssertionError(f"{server.name} {version}: no session resumes at all")

    def test_no_chain_of_resumptions_outlives_the_age(self):
        """Each resumption brings a new ticket, in TLS 1.3 with the time of its making; what counts is the first."""
        injected, good = self.pki.server("rsa"), self.pki.clients["good"]
        for kind in SERVERS:
            server = self.grafted(kind, self.ini({"server": self.mutual(injected, max_session_age=AGE)}))
            for version in VERSIONS:
                if not kind.resumes[version]:
                    continue
                with self.subTest(server=kind.name, version=version):
                    begun = self.resumes_when_young(server, version, good, injected)
                    while True:
                        asked = time.time()
                        if not self.resumes(server, version, good):
                            break
                        # what a busy machine takes to start a client is no age
                        self.assertLess(asked - begun, AGE + 2, "resumed beyond its age")
                    again = self.resumes_when_young(server, version, good, injected)
                    self.assertGreater(again, begun)
            status = self.graft.status(server.pid)["sections"][0]["handshakes"]
            self.assertEqual(status["refused"], 0, "a client whose session was too old has failed")
            server.stop()

    def test_a_session_put_aside_does_not_resume(self):
        injected, good = self.pki.server("rsa"), self.pki.clients["good"]
        server = self.grafted(Nginx, self.ini({"server": self.mutual(injected, max_session_age=AGE)}))
        for version in VERSIONS:
            self.resumes_when_young(server, version, good, injected)
        made = time.time()
        wait_until(lambda: time.time() > made + AGE, AGE + 5, "the sessions' age")
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertFalse(self.resumes(server, version, good))

    def test_without_an_age_sessions_last(self):
        """The same chain, twice as long: what ends it above is the key."""
        injected, good = self.pki.server("rsa"), self.pki.clients["good"]
        server = self.grafted(Redis, self.ini({"server": self.mutual(injected)}))
        end = self.full(server, TLS13, good, injected) + 2 * AGE
        while time.time() < end:
            self.assertTrue(self.resumes(server, TLS13, good))

    def test_under_server_too(self):
        """Where the server itself decides who is let in, the age alone is ours; a name may have its own."""
        injected = self.pki.server("rsa")
        sections = {
            "server": {"mode": "server", **self.pair(injected)},
            "sni two": {"names": "two.example", "max_session_age": AGE},
        }
        server = self.grafted(Apache, self.ini(sections))
        path = self.home / "session"
        for host, lasts in (("one.example", True), ("two.example", False)):
            for version in VERSIONS:
                with self.subTest(host=host, version=version):
                    first = self.probe(server, version, host=host, session_out=path)
                    self.assert_served(server, first, injected, host)
                    made = time.time()
                    wait_until(lambda made=made: time.time() > made + AGE, AGE + 5, "the session's age")
                    again = self.probe(server, version, host=host, session_in=path)
                    self.assert_served(server, again, injected, host, resumed=lasts)

    def test_a_changed_age_ends_what_was_before(self):
        injected, good = self.pki.server("rsa"), self.pki.clients["good"]
        server = self.grafted(Redis, self.ini({"server": self.mutual(injected, max_session_age=604800)}))
        for version in (TLS12, TLS13):
            self.full(server, version, good, injected)
            self.assertTrue(self.resumes(server, version, good))
        self.ini({"server": self.mutual(injected, max_session_age=604799)})
        self.assert_reloaded(server)
        for version in (TLS12, TLS13):
            self.assertFalse(self.resumes(server, version, good))
            self.assertTrue(self.resumes(server, version, good))
