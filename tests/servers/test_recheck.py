# SPDX-License-Identifier: Apache-2.0
"""recheck = new-generation: a reload ends the live connections of those whom it would refuse, and no others."""

import itertools
import socket
from pathlib import Path

from support.case import ServerCase
from support.live import Live
from support.pki import ALLOW, URI_OTHER
from support.ports import free_port
from support.procs import wait_until
from support.server import Server

from servers.apache import Apache
from servers.haproxy import Haproxy
from servers.mosquitto import CONNACK, CONNECT, PINGREQ, PINGRESP, Mosquitto
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.redis import Redis

ROOT = Path(__file__).resolve().parents[2]
HTTP = (b"GET / HTTP/1.1\r\nHost: one.example\r\n\r\n", b"server-data one.example\n")
# how to begin, and what may be asked again and again: request, end of the answer
TALKS = {Redis: (None, (b"PING\r\n", b"+PONG\r\n")), Mosquitto: ((CONNECT, CONNACK), (PINGREQ, PINGRESP))}
_NUMBERS = itertools.count(10)  # a broker ends the older of two connections with the same two letters
WITH_SOCKET = (Nginx, Redis, Mosquitto, PythonSsl)
WITHOUT = (Apache, Haproxy)


class Reused(Server):
    name = "reused"
    executable = "/usr/bin/python3"

    def configure(self):
        pass

    def command(self):
        return [self.executable, ROOT / "tests/support/reused.py", self.port, self.home / "own0.pem", self.home / "own0.key"]

    def is_ready(self):
        """Without a connection, each of which counts here."""
        return f":{self.port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


class Recheck(ServerCase):
    under_asan = True

    def serve(self, kind, keys, recheck="new-generation"):
        self.keys = keys
        self.setting = recheck
        options = {"workers": 1} if kind is Nginx else {}
        return self.grafted(kind, self.ini({"server": {**keys, "recheck": recheck}}), **options)

    def change(self, server, **changes):
        self.keys = {**self.keys, **changes}
        self.ini({"server": {**self.keys, "recheck": self.setting}})
        self.assert_reloaded(server)

    def live(self, server, who=None, **options):
        """A connection over which something has been answered."""
        connection = Live(server.port, who, **options)
        self.addCleanup(connection.close)
        begin, _ = TALKS.get(type(server), (None, HTTP))
        if begin:
            request = begin[0][:-2] + str(next(_NUMBERS)).encode()[-2:]
            self.assertEqual(connection.ask(request, lambda data: data.endswith(begin[1])), begin[1])
        self.assert_goes_on(server, connection)
        return connection

    def ask(self, server, connection):
        request, end = TALKS.get(type(server), (None, HTTP))[1]
        return connection.ask(request, lambda data: data.endswith(end))

    def assert_goes_on(self, server, connection):
        end = TALKS.get(type(server), (None, HTTP))[1][1]
        self.assertTrue(self.ask(server, connection).endswith(end), f"{server.name}: no answer")

    def refused(self, server):
        section = self.graft.status(server.pid)["sections"][0]
        return {reason: count for reason, count in section["refused_by"].items() if count}

    def cases(self):
        """What a reload may take away: keys before, what changes, whom it hits, the reason in the counters."""
        injected = self.pki.server("rsa")
        pki = self.pki
        doomed = pki.client(pki.ca)
        later = self.home / "later.crl"
        pki.ca.revoke(doomed)
        pki.ca.write_crl(later)
        both = [pki.ca.cert, pki.second_ca.cert]
        other = pki.clients["not allowed"]
        server = {"mode": "server", **self.pair(injected), "ca": pki.ca.cert}
        optional = self.mutual(injected, mode="optional")
        yield "CA removed", self.mutual(injected, ca=both, crl=None), {"ca": pki.ca.cert}, pki.client(pki.second_ca), "unknown_ca"
        yield "revoked", self.mutual(injected), {"crl": later}, doomed, "revoked"
        yield "not allowed", self.mutual(injected, allow=[ALLOW, f"URI:{URI_OTHER}"]), {"allow": ALLOW}, other, "not_allowed"
        yield "server to mutual", server, {"mode": "mutual"}, None, "no_certificate"
        yield "optional to mutual", optional, {"mode": "mutual"}, None, "no_certificate"

    def each_case(self, kinds, check):
        """check(server, good, bad, change, reason) for each; a server of its own each time."""
        for name, before, change, who, reason in self.cases():
            for kind in kinds:
                with self.subTest(case=name, server=kind.name):
                    server = self.serve(kind, before)
                    # under `server` nobody was asked for a certificate, so nobody has shown one
                    good = None if before["mode"] == "server" else self.live(server, self.pki.clients["good"])
                    bad = self.live(server, who)
                    self.change(server, **change)
                    check(server, good, bad)
                    self.assertEqual(self.refused(server), {reason: 1})
                    server.stop()

    def test_idle_connections_are_ended_where_the_socket_is_known(self):
        """One new handshake of somebody else is enough; the refused client need not say a word."""

        def check(server, good, bad):
            fresh = self.live(server, self.pki.clients["good"])
            wait_until(bad.ended, 10, "end of the idle connection")
            if good:
                self.assertFalse(good.ended())
                self.assert_goes_on(server, good)
            self.assert_goes_on(server, fresh)

        self.each_case(WITH_SOCKET, check)

    def test_the_next_call_of_a_refused_connection_fails(self):
        """With or without a socket: not one byte more, once in the counters, and whoever is still let in notices nothing."""

        def check(server, good, bad):
            self.assertEqual(self.ask(server, bad), b"")
            self.assertTrue(bad.ended())
            if good:
                self.assert_goes_on(server, good)
            self.assert_goes_on(server, self.live(server, self.pki.clients["good"]))

        self.each_case(WITH_SOCKET + WITHOUT, check)

    def test_without_recheck_nobody_is_touched(self):
        for name, before, change, who, _ in self.cases():
            with self.subTest(case=name):
                server = self.serve(Redis, before, recheck="no")
                bad = self.live(server, who)
                self.change(server, **change)
                self.live(server, self.pki.clients["good"])
                self.assertFalse(bad.ended())
                self.assert_goes_on(server, bad)
                self.assertEqual(self.refused(server), {})
                server.stop()

    def test_switched_on_by_the_reload_that_refuses(self):
        """In an incident both come at once: connections from before are met by it at their next call."""
        for kind in (Redis, Haproxy):
            with self.subTest(server=kind.name):
                injected = self.pki.server("rsa")
                server = self.serve(kind, self.mutual(injected, ca=[self.pki.ca.cert, self.pki.second_ca.cert], crl=None), "no")
                good, bad = self.live(server, self.pki.clients["good"]), self.live(server, self.pki.client(self.pki.second_ca))
                self.setting = "new-generation"
                self.change(server, ca=self.pki.ca.cert)
                self.assertEqual(self.ask(server, bad), b"")
                self.assertTrue(bad.ended())
                self.assert_goes_on(server, good)
                server.stop()

    def test_a_download_stops(self):
        """nginx writes and writes without a word of the client."""
        injected = self.pki.server("rsa")
        server = self.serve(Nginx, self.mutual(injected, ca=[self.pki.ca.cert, self.pki.second_ca.cert], crl=None))
        size = 4 * 1024 * 1024
        server.write_file("big", size)
        request = b"GET /slow/big HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n"
        bad, good = Live(server.port, self.pki.client(self.pki.second_ca)), Live(server.port, self.pki.clients["good"])
        for connection in (bad, good):
            self.addCleanup(connection.close)
            self.assertGreater(len(connection.ask(request, lambda data: len(data) > 100000)), 100000)
        self.change(server, ca=self.pki.ca.cert)
        wait_until(bad.ended, 15, "end of the download")
        self.assertEqual(self.refused(server), {"unknown_ca": 1})
        self.assertFalse(good.ended())
        self.assertGreater(len(good.ask(b"", lambda data: len(data) > 500000)), 500000)

    def test_a_renewed_certificate_ends_nothing(self):
        old, new = self.pki.server("rsa"), self.pki.server("rsa", 1)
        for kind in (Redis, Haproxy):
            with self.subTest(server=kind.name):
                server = self.serve(kind, self.mutual(old))
                connection = self.live(server, self.pki.clients["good"])
                for credential in (new, old, new):
                    self.pair(credential)
                    self.assert_reloaded(server)
                    self.live(server, self.pki.clients["good"])
                    self.assertFalse(connection.ended())
                    self.assert_goes_on(server, connection)
                self.assertEqual(self.refused(server), {})
                server.stop()

    def test_intermediates_that_the_client_sent_are_remembered(self):
        """`ca` lists the root alone; another CA comes and goes, and the client of the intermediate stays."""
        injected = self.pki.server("rsa")
        server = self.serve(Redis, self.mutual(injected, crl=None))
        connection = self.live(server, self.pki.client(self.pki.intermediate))
        for authorities in ([self.pki.ca.cert, self.pki.second_ca.cert], self.pki.ca.cert):
            self.change(server, ca=authorities)
            self.assert_goes_on(server, connection)
        self.change(server, ca=self.pki.second_ca.cert)
        self.assertEqual(self.ask(server, connection), b"")

    def test_intermediates_of_resumed_sessions(self):
        """A ticket holds the client's certificate alone; the process has seen what was above it."""
        injected = self.pki.server("rsa")
        server = self.serve(Redis, self.mutual(injected, crl=None))
        first = self.live(server, self.pki.client(self.pki.intermediate))
        again = self.live(server, context=first.context, session=first.socket.session)
        self.assertTrue(again.socket.session_reused)
        first.close()
        self.change(server, ca=[self.pki.ca.cert, self.pki.second_ca.cert])
        self.assert_goes_on(server, again)
        self.change(server, ca=self.pki.second_ca.cert)
        self.assertEqual(self.ask(server, again), b"")
        self.assertEqual(self.refused(server), {"unknown_ca": 1})

    def test_a_descriptor_that_is_another_connections_by_now(self):
        """The refused client's socket is closed without libssl's knowledge, and its number taken: that one is let alone."""
        injected = self.pki.server("rsa")
        keys = {**self.mutual(injected, ca=[self.pki.ca.cert, self.pki.second_ca.cert], crl=None), "recheck": "new-generation"}
        server = self.grafted(Reused, self.ini({"server": keys}))
        first = Live(server.port, self.pki.client(self.pki.second_ca))
        self.assertEqual(first.ask(b"", lambda data: data == b"first"), b"first")
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            self.assertEqual(plain.recv(5), b"plain")
            self.ini({"server": {**keys, "ca": self.pki.ca.cert}})
            self.assert_reloaded(server)
            later = Live(server.port, self.pki.clients["good"])
            self.assertEqual(later.ask(b"", lambda data: data == b"later"), b"later")
            self.assertEqual(self.refused(server), {"unknown_ca": 1})
            plain.setblocking(False)
            with self.assertRaises(BlockingIOError):
                plain.recv(1)
        first.close()
        later.close()

    def test_sections_by_name_and_address(self):
        """Judged by the section that a new connection would get: here [sni] alone is tightened."""
        injected = self.pki.server("rsa")
        sections = {
            "server": {**self.mutual(injected, mode="optional"), "recheck": "new-generation"},
            "sni two": {"names": "two.example"},
        }
        server = self.grafted(Redis, self.ini(sections))
        one, two = self.live(server, None), self.live(server, None, sni="two.example")
        sections["sni two"]["mode"] = "mutual"
        self.ini(sections)
        self.assert_reloaded(server)
        self.live(server, None)
        wait_until(two.ended, 10, "end of the connection to the tightened name")
        self.assert_goes_on(server, one)
        sections["listener x"] = {"listen": f"127.0.0.1:{server.port}", "mode": "mutual", "recheck": "no"}
        self.ini(sections)
        self.assert_reloaded(server)
        self.assert_goes_on(server, one)
        sections["listener x"]["recheck"] = "new-generation"
        self.ini(sections)
        self.assert_reloaded(server)
        self.assertEqual(self.ask(server, one), b"")

    def test_a_refused_plaintext_client_is_no_burden_to_the_others(self):
        """The call that ends it is made for a TLS connection of the same worker."""
        injected = self.pki.server("rsa")
        plain = free_port()
        keys = {**self.mutual(injected), "recheck": "new-generation"}

        def sections(**changes):
            return {
                "server": keys,
                "listener plain": {"listen": f"127.0.0.1:{plain}", "server_speaks": "plaintext", "engine": "direct", **keys, **changes},
            }

        server = self.grafted(Nginx, self.ini(sections()), workers=1, more=f"listen 127.0.0.1:{plain};")
        by_tls = self.live(server, self.pki.clients["good"])
        bad = Live(plain, self.pki.clients["good"])
        self.addCleanup(bad.close)
        self.assertTrue(self.ask(server, bad).endswith(HTTP[1]))
        self.ini(sections(allow="CN:somebody-else"))
        self.assert_reloaded(server)
        self.assert_goes_on(server, by_tls)
        wait_until(bad.ended, 10, "end of the refused connection")
        self.assert_goes_on(server, self.live(server, self.pki.clients["good"]))
