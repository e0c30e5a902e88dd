# SPDX-License-Identifier: Apache-2.0
"""Clients that need a protocol agreed on by ALPN, and servers that speak it in cleartext: gRPC and HTTP/2."""

import ssl
import subprocess

from support import procs
from support.live import Live

from plaintext.applications import Node
from plaintext.http2 import Browser, Grpc, Nghttpd, curl, grpc_js, grpc_python
from plaintext.listener import Listener
from plaintext.stores import Redis

ENGINES = {"direct": "direct", "relay": "relayed"}  # of the file; as status counts them
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class Alpn(Listener):
    def each(self, ask, proof, kind, engine, **keys):
        """Who has no right certificate learns nothing of the server; who has one gets `proof`. `ask`: by port, CA, who."""
        self.start(kind, engine=engine, **keys)
        ca = self.pki.ca.cert
        for name in ("none", "wrong CA", "revoked"):
            with self.subTest(name):
                answer = ask(self.server.port, ca, self.pki.clients.get(name))
                self.assertNotIn(proof, answer)
                self.assertNotEqual(answer, "")
        answer = ask(self.server.port, ca, self.good)
        self.assertIn(proof, answer)
        self.assertGreater(self.plaintext()[ENGINES[engine]], 3)
        self.assertEqual(self.alpn()["unanswered"], 0)

    def alpn(self):
        return self.graft.status(self.server.pid)["sections"][0]["alpn"]

    def refusals(self):
        return self.graft.status(self.server.pid)["sections"][0]["refused_by"]["no_common_alpn"]

    # gRPC

    def test_grpc(self):
        self.each(grpc_python, "echo python", Grpc, "direct", alpn="h2", alpn_required="yes")

    def test_grpc_by_the_relay(self):
        self.each(grpc_python, "echo python", Grpc, "relay", alpn="h2", alpn_required="yes")

    def by_node(self, port, ca, who):
        return grpc_js(port, ca, who, Node)

    def test_grpc_js(self):
        self.each(self.by_node, "echo node", Grpc, "direct", alpn="h2")

    def test_grpc_js_by_the_relay(self):
        self.each(self.by_node, "echo node", Grpc, "relay", alpn="h2")

    def test_grpc_finds_nothing_without_it(self):
        """The client ends the connection by itself; status says what is missing."""
        self.start(Grpc)
        self.assertNotIn("echo", grpc_python(self.server.port, self.pki.ca.cert, self.good))
        procs.wait_until(lambda: self.alpn()["unanswered"] > 0, 5, "an offer that is counted")
        line = "[listener plain]: a client offers protocols (ALPN)"
        procs.wait_until(lambda: line in self.server.log_text(), 5, "a line in the log")
        self.assertEqual(self.alpn()["protocols"], [])
        self.assertIn("offers of ALPN that this section does not answer", self.graft.command("status", self.server.pid).stdout)
        self.reload(alpn="h2")
        self.assertIn("echo python", grpc_python(self.server.port, self.pki.ca.cert, self.good))
        self.assertEqual(self.server.log_text().count(line), 1)

    # HTTP/2

    def test_curl(self):
        self.each(curl, "server-data</p>\nversion 2\n", Nghttpd, "direct", alpn="h2, http/1.1")

    def test_curl_by_the_relay(self):
        self.each(curl, "server-data</p>\nversion 2\n", Nghttpd, "relay", alpn="h2, http/1.1")

    def in_browser(self, engine):
        self.start(Nghttpd, engine=engine, alpn="h2")
        for name in ("wrong CA", "good"):
            home = self.home / f"browser with {name}"
            page = Browser(home, self.server.port, self.pki.ca.cert, self.pki.clients[name]).page()
            (self.assertIn if name == "good" else self.assertNotIn)("<p>server-data</p>", page)
        self.assertGreater(self.plaintext()[ENGINES[engine]], 1)

    def test_chromium(self):
        self.in_browser("direct")

    def test_chromium_by_the_relay(self):
        self.in_browser("relay")

    # any protocol

    def agreed(self, version, offer, session=None):
        context = Live.make_context(self.good, VERSIONS[version])
        if offer:
            context.set_alpn_protocols(offer)
        connection = self.by_tls(context=context, session=session)
        self.answers(connection)
        return connection.socket.selected_alpn_protocol()

    def assert_none_agreed(self, version, offer):
        with self.assertRaises(ssl.SSLError) as raised:
            self.agreed(version, offer)
        self.assertIn("alert no application protocol", str(raised.exception))

    def choices(self, engine):
        self.start(Redis, engine=engine, alpn=["redis, x-other", "x-third"])
        for version in VERSIONS:
            self.assertEqual(self.agreed(version, ["x-other", "redis"]), "redis")
            self.assertEqual(self.agreed(version, ["x-none", "x-third"]), "x-third")
            self.assertIsNone(self.agreed(version, ["x-none"]))
            self.assertIsNone(self.agreed(version, []))
        procs.wait_until(lambda: self.alpn()["unanswered"] == 2, 5, "two offers that are counted")
        self.reload(engine=engine, alpn="redis", alpn_required="yes")
        for version in VERSIONS:
            self.assert_none_agreed(version, ["x-other"])
            self.assert_none_agreed(version, [])
            self.assertEqual(self.agreed(version, ["x-other", "redis"]), "redis")
        procs.wait_until(lambda: self.refusals() == 4, 5, "four refusals that are counted")
        self.assertEqual(self.alpn()["required"], "yes")

    def test_choices(self):
        self.choices("direct")

    def test_choices_by_the_relay(self):
        self.choices("relay")

    def test_s_client(self):
        """A client that shows what was agreed on, in a new session and in a resumed one."""
        self.start(Redis, alpn="postgresql")
        words = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-alpn", "postgresql"]
        shown = ["-cert", self.good.cert, "-key", self.good.key]
        for more in (["-sess_out", self.home / "session"], ["-sess_in", self.home / "session"]):
            done = subprocess.run(
                [str(word) for word in [*words, *shown, "-tls1_2", *more]], input="QUIT\n", capture_output=True, text=True,
                timeout=30, check=False,
            )
            self.assertIn("ALPN protocol: postgresql", done.stdout)
        self.assertIn("Reused, TLSv1.2", done.stdout)

    def test_a_migration_agrees_on_nothing(self):
        """Clients that speak no TLS have no ALPN: what is required of the others keeps them out no more than a certificate does."""
        self.start(Redis, accept_plaintext="yes", alpn="redis", alpn_required="yes")
        self.answers(self.bare())
        self.assert_none_agreed("TLSv1.3", [])
        self.assertEqual(self.agreed("TLSv1.3", ["redis"]), "redis")
