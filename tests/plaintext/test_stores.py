"""Databases, caches, directories, names, messages, mail."""

from plaintext.row import Row
from plaintext import names, stores


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
