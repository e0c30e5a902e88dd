# SPDX-License-Identifier: Apache-2.0
"""Databases, caches, directories, names, messages, mail."""

from plaintext.row import Row
from plaintext import names, stores
from plaintext.server import talked


class Stores(Row):
    def test_memcached(self):
        self.row(stores.Memcached)

    def test_redis(self):
        self.row(stores.Redis)

    def test_postgresql(self):
        self.row(stores.Postgresql)

    def test_mariadb(self):
        self.row(stores.Mariadb)

    def test_slapd(self):
        self.row(stores.Slapd)

    def test_dnsmasq(self):
        self.row(names.Dnsmasq)

    def test_named(self):
        self.row(names.Named)

    def test_mosquitto(self):
        self.row(names.Mosquitto)

    def test_dovecot(self):
        self.row(names.Dovecot)

    def test_dovecot_login(self):
        self.row(names.DovecotLogin)

    def test_dovecot_is_closed_at_the_login(self):
        """By the direct engine TLS has begun in one process, and another gets the connection: not one byte in plaintext."""
        self.kind, self.serving = names.DovecotLogin, self.pki.server("rsa")
        self.server = self.governed(self.kind)
        self.server.wait_ready()
        with self.by_tls("1.3", self.pki.clients["good"]) as connection:
            self.assertEqual(talked(connection, self.server.talk()[:2])[1], "open")
            said = connection.ask(b"b LOGIN tester word\r\n")
            self.assertEqual((said, connection.over), (b"", True))
        found = self.graft.status(self.server.pid)["sections"][0]["plaintext"]
        self.assertEqual((found["direct"], found["relayed"], found["closed"]), (1, 0, 1))

    test_memcached.under_asan = test_redis.under_asan = test_mosquitto.under_asan = True
