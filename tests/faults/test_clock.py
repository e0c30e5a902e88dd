# SPDX-License-Identifier: Apache-2.0
"""Dates pass, and the clock is moved: by waiting a few seconds, and by libfaketime in server and keeper.

libfaketime gets in beside the shim; the keeper, which is started without any preload, gets it from a wrapper.
CLOCK_MONOTONIC is left as it is, as it is on a machine whose date is set.
"""

import os
import time
from pathlib import Path

from support import procs
from support.client import TLS13, VERSIONS
from support.pki import HOSTS, URI_GOOD
from support.procs import wait_until

from faults.case import FaultCase
from faults.product import with_keeper_started_by
from servers.haproxy import Haproxy
from servers.mosquitto import Mosquitto
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.redis import Redis

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
DAY = 86400


class HaproxyOfOneThread(Haproxy):
    """libfaketime reads its file at each call, into memory that all threads share: one of two may see no date."""

    def configure(self):
        super().configure()
        (self.home / "threads.cfg").write_text("global\n    nbthread 1\n")

    def command(self):
        return [*super().command(), "-f", self.home / "threads.cfg"]


class Clock(FaultCase):
    def leaf(self, end):
        names = ", ".join(f"DNS:{host}" for host in HOSTS)
        return self.pki.intermediate.issue("passing", "server", names=names, end=end)

    def client_until(self, end):
        return self.pki.ca.issue("client", "client", names=f"DNS:client.example, URI:{URI_GOOD}", end=end)

    def certificate(self, server):
        code, tree = self.status_of(server)
        return code, tree["sections"][0]["certificates"][0]

    def refused_by(self, server):
        return {name: count for name, count in self.status_of(server)[1]["sections"][0]["refused_by"].items() if count}

    def test_everything_expires_while_it_serves(self):
        """In real time: the server's certificate, a client's, and a CRL."""
        end = time.time() + 6
        leaf, who = self.leaf(6), self.client_until(6)
        crl = self.pki.ca.write_crl(self.home / "short.crl", 6)
        servers = []
        for kind in (Nginx, Redis):
            sections = {"tlsgraft": {"warn_days": 1}, "server": self.mutual(leaf, crl=[crl])}
            servers.append(self.grafted(kind, self.ini(sections)))
        sessions = {}
        for server in servers:
            for version in VERSIONS:
                sessions[server, version] = self.home / f"{server.name}{version}"
                result = self.probe(server, version, who, session_out=sessions[server, version])
                self.assert_served(server, result, leaf)
        wait_until(lambda: time.time() > end + 1, 10, "the end of all")
        for server in servers:
            self.assert_refused(self.probe(server, who=who), leaf)
            self.assert_refused(self.probe(server, who=self.good), leaf)
            for version in VERSIONS:
                self.assert_refused(self.probe(server, version, session_in=sessions[server, version]), leaf)
            self.assertGreater(self.refused_by(server).get("crl_stale", 0), 0)
            code, certificate = self.certificate(server)
            self.assertEqual(code, 1)
            self.assertLess(certificate["days_left"], 0)

        # an urgent CRL still gets in, and the right client with it; the leaf's end is a warning
        self.pki.ca.write_crl(crl)
        for server in servers:
            said = server.output.read_text()
            self.assert_reloaded(server)
            wait_until(lambda s=server, n=len(said): "expired" in s.output.read_text()[n:], 2, "a warning in the log")
            self.assert_served(server, self.probe(server, who=self.good), leaf)
            self.assert_refused(self.probe(server, who=who), leaf)
            self.assertEqual(self.status_of(server)[0], 1, "still within its warning window")
        # another one that has expired is a fault that was not there
        self.pair(self.pki.intermediate.issue("late", "server", names=f"DNS:{HOSTS[0]}", start=-7200, end=-60))
        for server in servers:
            self.assert_reload_refused(server, "expired")
        self.pair(self.pairs[0])
        for server in servers:
            self.assert_reloaded(server)
            self.assert_served(server, self.probe(server, who=self.good), self.pairs[0])
            self.assertEqual(self.status_of(server)[0], 0)

    # a clock that is set

    def set_clock(self, days):
        """For everything that carries libfaketime."""
        fresh = self.home / "clock.new"
        fresh.write_text(f"{days:+d}d\n")
        os.replace(fresh, self.home / "clock")

    def start_with_a_clock(self, kind, sections):
        faketime = {
            "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(self.home / "clock"), "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set_clock(0)
        graft = with_keeper_started_by(self.graft, self.home / f"product-{kind.name}", f"env LD_PRELOAD={FAKETIME}")
        server = self.make(kind)
        server.start(wrap=graft.run(self.ini(sections)), environment=faketime)
        for pid in (server.pid, *self.family(server)):
            self.assertIn("libfaketime", procs.maps(pid), procs.command_line(pid))
        return server

    def clock_set(self, kind):
        leaf, who = self.pairs[0], self.client_until(90 * DAY)
        short = self.client_until(10 * DAY)
        crl = self.home / "dated.crl"
        self.pki.ca.write_crl(crl, 20 * DAY)
        server = self.start_with_a_clock(kind, {"tlsgraft": {"warn_days": 3}, "server": self.mutual(leaf, crl=[crl])})
        session = self.home / "session"
        self.assert_served(server, self.probe(server, TLS13, short, session_out=session), leaf)
        self.assert_served(server, self.probe(server, who=who), leaf)
        self.assertEqual(self.status_of(server)[0], 0)

        self.set_clock(11)
        self.assert_refused(self.probe(server, who=short), leaf)
        self.assert_refused(self.probe(server, session_in=session), leaf)
        self.assertEqual(set(self.refused_by(server)) - {"no_certificate"}, {"expired"})
        self.assert_served(server, self.probe(server, who=who), leaf)

        self.set_clock(25)
        before = self.refused_by(server).get("crl_stale", 0)
        self.assert_refused(self.probe(server, who=who), leaf)
        self.assertEqual(self.refused_by(server)["crl_stale"], before + 1)

        self.set_clock(40)
        code, certificate = self.certificate(server)
        self.assertEqual(code, 1)
        self.assertLess(certificate["days_left"], -8)
        self.pki.ca.write_crl(crl, 100 * DAY)
        self.assert_reloaded(server)
        self.assert_served(server, self.probe(server, who=who), leaf)
        self.assert_refused(self.probe(server, who=short), leaf)
        self.assertEqual(self.status_of(server)[0], 1, "its leaf has expired")

        # back: what was over is good again, and no verdict of the wrong time stays
        self.set_clock(0)
        self.assert_served(server, self.probe(server, who=short), leaf)
        self.assert_served(server, self.probe(server, who=who), leaf)
        self.assertEqual(self.status_of(server)[0], 0)
        self.assert_reloaded(server)

        # and before everything was made
        self.set_clock(-10)
        self.assert_refused(self.probe(server, who=who), leaf)
        self.assert_refused(self.probe(server), leaf)
        self.assertEqual(self.graft.reload(server.pid).returncode, 0, "a fault that is served already is a warning")
        self.set_clock(0)
        self.assert_reloaded(server)
        self.right_clients_alone(server, leaf)
        for pid in self.family(server):
            self.assertTrue(procs.alive(pid))

    def test_clock_set_python(self):
        self.clock_set(PythonSsl)

    def test_clock_set_haproxy(self):
        self.clock_set(HaproxyOfOneThread)

    def test_clock_set_mosquitto(self):
        self.clock_set(Mosquitto)

    def test_the_library_is_there(self):
        self.assertTrue(Path(FAKETIME).exists(), "package faketime")
