# SPDX-License-Identifier: Apache-2.0
"""What the keys of a plaintext listener do: a migration, off, names, engines, and what status and doctor say of them."""

from datetime import datetime, timezone

from support.live import Bare, Live
from support.procs import wait_until

from plaintext.files import Rsyncd
from plaintext.listener import PING, PONG, Listener
from plaintext.row import Row
from plaintext.stores import Redis
from plaintext.web import Nginx


class Policy(Listener):
    # a migration

    def migration(self, **keys):
        self.start(accept_plaintext="yes", **keys)
        began = datetime.now(timezone.utc)
        self.answers(self.by_tls())
        self.assertEqual((self.plaintext()["clients"], self.plaintext()["last"]), (0, None))
        old = self.bare()
        self.answers(old)
        self.counted("clients", 1)
        last = datetime.fromisoformat(self.plaintext()["last"].replace("Z", "+00:00"))
        self.assertLess(abs((last - began).total_seconds()), 15)
        # who begins with TLS is judged as ever
        self.assert_shut_out(self.by_tls(self.pki.clients["wrong CA"]))
        said = self.graft.command("status", self.server.pid).stdout
        self.assertIn("clients in plaintext: accepted too, 1 so far, the last at ", said)
        # its end: from the next connection on
        self.reload(accept_plaintext="no", **keys)
        self.answers(old)
        self.assert_shut_out(self.bare())
        self.answers(self.by_tls())
        self.assertEqual(self.plaintext()["clients"], 1)
        self.assertEqual(self.plaintext()["accept_plaintext"], "no")
        self.assertIn("accepted no more, 1 so far", self.graft.command("status", self.server.pid).stdout)

    def test_a_migration(self):
        self.migration()

    def test_a_migration_by_the_relay(self):
        self.migration(engine="relay")

    def test_a_server_that_speaks_first(self):
        """A silent client is a plaintext one after plaintext_wait, and not before there is one."""
        self.start(Rsyncd, accept_plaintext="yes", plaintext_wait=200)
        greeting = self.bare().ask(b"", lambda data: data.endswith(b"\n"))
        self.assertTrue(greeting.startswith(b"@RSYNCD:"), greeting)
        self.counted("clients", 1)
        self.assertEqual(self.by_tls().ask(b"", lambda data: data.endswith(b"\n")), greeting)
        self.reload(accept_plaintext="yes")
        silent = self.bare()
        silent.socket.settimeout(1)
        self.assertEqual(silent.ask(b"", seconds=1), b"")
        self.assertEqual(self.plaintext()["clients"], 1)

    # modes and names

    def test_off_passes_everything_through_until_it_is_not(self):
        self.start(mode="off")
        old = self.bare()
        self.answers(old)
        self.reload()
        self.answers(old)
        self.assert_shut_out(self.bare())
        self.answers(self.by_tls())
        self.reload(mode="off")
        self.answers(self.bare())

    def test_names(self):
        other = self.pki.server("ec", 1)
        shop = {"names": "shop.example", "listener": "plain", "mode": "server", **self.pair(other, "other")}
        self.start(sections={"sni shop": shop})
        self.answers(self.by_tls())
        self.assert_shut_out(self.by_tls(self.pki.clients["wrong CA"]))
        # a name that asks for no certificate, with one of its own
        connection = self.opened(Live(self.server.port, None, sni="shop.example"))
        self.assertEqual(Row.leaf(connection), other.leaf_sha256)
        self.answers(connection)
        self.assertEqual(Row.leaf(self.by_tls()), self.serving.leaf_sha256)
        sections = self.graft.status(self.server.pid)["sections"]
        self.assertEqual([section["server_speaks"] for section in sections], ["plaintext", "plaintext"])

    # engines and times

    def late(self, engine):
        self.start(engine=engine, handshake_timeout=1)
        self.by_tls().close()
        silent = self.bare()
        silent.socket.sendall(b"\x16\x03\x01")  # the beginning of a record
        wait_until(silent.ended, 10, "the end of a handshake that never comes")
        self.counted("timed_out", 1)
        self.assertEqual(self.plaintext()["direct" if engine == "direct" else "relayed"], 2)

    def test_late_handshakes(self):
        self.late("direct")

    def test_late_handshakes_at_the_relay(self):
        self.late("relay")

    def test_the_engine_is_changed_for_new_connections(self):
        self.start(engine="direct")
        old = self.by_tls()
        self.answers(old)
        self.reload(engine="relay")
        self.answers(self.by_tls())
        self.answers(old)
        self.assertEqual((self.plaintext()["direct"], self.plaintext()["relayed"]), (1, 1))

    # doctor

    def test_doctor(self):
        self.start(Nginx)
        self.answers_http(self.by_tls())
        done = self.graft.command("doctor", self.server.pid)
        self.assertIn(f"port 127.0.0.1:{self.server.port}, [listener plain] mutual: ours", done.stdout)
        self.assertIn("asks for a client certificate and refuses who has none", done.stdout)
        self.assertIn("[listener plain] speaks TLS for a plaintext server", done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_doctor_of_a_migration(self):
        self.start(Nginx, accept_plaintext="yes")
        self.answers_http(self.bare())
        done = self.graft.command("doctor", self.server.pid)
        self.assertIn("[listener plain] lets clients in without TLS (accept_plaintext): 1 so far, the last at ", done.stdout)
        self.assertEqual(done.returncode, 1, done.stdout)

    def answers_http(self, connection):
        self.assertTrue(connection.ask(self.server.get("/file.txt")).startswith(b"HTTP/1.1 200 OK\r\n"))
