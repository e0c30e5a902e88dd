# SPDX-License-Identifier: Apache-2.0
"""Databases, caches, directories."""

import re

from support.server import PLACEHOLDER_BODY

from servers.mariadb import Mariadb as TlsMariadb, QUERY as MARIADB_QUERY
from servers.postgresql import Postgresql as TlsPostgresql, QUERY
from plaintext.server import BIG, PlainServer, LineServer

_VALUE = PLACEHOLDER_BODY.encode()


class Memcached(LineServer):
    name = "memcached"
    executable = "/usr/bin/memcached"
    address_in = "stats conns"
    proof = _VALUE

    def configure(self):
        pass

    def command(self):
        return [self.executable, "-u", "memcache", "-l", "127.0.0.1", "-p", self.port, "-U", 0]

    def talk(self):
        return [
            (b"set small 0 0 %d\r\n%s\r\n" % (len(_VALUE), _VALUE), b"STORED\r\n"),
            (b"set big 0 0 %d\r\n%s\r\n" % (len(BIG), BIG), b"STORED\r\n"),
            (b"get small big\r\n", b"END\r\n"),
            (b"stats conns\r\n", b"END\r\n"),
            (b"quit\r\n", None),
        ]

    filter = None

    def shows(self, address, said):
        return f":addr tcp:{address}:".encode() in said

    def same(self, data):
        """Which of its connections is in which state is a matter of the moment."""
        return re.sub(rb"(STAT \d+:[^\r]*\r\n)+", b"CONNECTIONS\r\n", data)


class Redis(PlainServer):
    name = "redis"
    executable = "/usr/bin/redis-server"
    title = "Redis"
    package = "redis-server"
    run_user = "redis"
    client = "redis-cli"

    def configure(self):
        pass

    def command(self):
        words = [self.executable, "--bind", "127.0.0.1", "--port", self.port, "--protected-mode", "no", "--save", "", "--dir", self.home]
        return [*words, "--loglevel", "verbose"]

    def talk(self):
        return [
            (b"PING\r\n", b"+PONG\r\n"),
            (b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n%s\r\n" % (len(BIG), BIG), b"+OK\r\n"),
            (b"GET big\r\nECHO %s\r\n" % _VALUE, _VALUE + b"\r\n"),
            (b"QUIT\r\n", None),
        ]

    def words(self, port, tls):
        words = ["redis-cli", "-h", "127.0.0.1", "-p", port]
        if tls:
            who, ca = tls
            words += ["--tls", "--cacert", ca, "--sni", "one.example", *(["--cert", who.cert, "--key", who.key] if who else [])]
        return [*words, "ECHO", PLACEHOLDER_BODY]


class Postgresql(PlainServer, TlsPostgresql):
    title = "PostgreSQL"
    client = "psql"
    by_socat = True
    hosts = 0
    notes = "its clients ask for TLS in a protocol of their own: through tlsgraft they speak plaintext into a tunnel"

    def __init__(self, home, own):
        super().__init__(home, own)

    def configure(self):
        TlsPostgresql.configure(self)
        with open(self.home / "data" / "postgresql.conf", "a") as config:
            config.write("ssl = off\nlog_connections = on\n")
        (self.home / "data" / "pg_hba.conf").write_text("host all all 127.0.0.0/8 trust\n")

    def is_ready(self):
        return "database system is ready to accept connections" in self.log_text()

    def talk(self):
        return [*self.conversation(""), (b"X\0\0\0\4", None)]

    def same(self, data):
        """BackendKeyData: a process id and a secret."""
        return re.sub(rb"K\0\0\0\x0c.{8}", b"K", data, flags=re.S)

    def words(self, port, tls):
        return ["psql", f"host=127.0.0.1 port={port} user=tester dbname=postgres sslmode=disable", "-AtXc", QUERY]


class Mariadb(PlainServer, TlsMariadb):
    title = "MariaDB"
    client = "mariadb"
    by_socat = True
    hosts = 0
    engine = "relay"
    address_in = "general log"
    notes = f"maps liburing, which could read and write unseen; {Postgresql.notes}"

    def configure(self):
        TlsMariadb.configure(self)
        (self.home / "init.sql").write_text("CREATE USER IF NOT EXISTS root@'127.0.0.%';\n")
        options = [option for option in self.options if not str(option).startswith("--ssl-")]
        self.options = [*options, "--skip-ssl", f"--init-file={self.home}/init.sql", "--general-log"]
        self.options += [f"--general-log-file={self.home}/data/general.log"]

    def is_ready(self):
        return "ready for connections" in self.log_text()

    def log_text(self):
        general = self.home / "data" / "general.log"
        return super().log_text() + (general.read_text(errors="replace") if general.exists() else "")

    def talk(self):
        def packet(data):
            return len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:3], "little")

        request = self.plain_request("")
        login = 4 + int.from_bytes(request[:3], "little")
        return [(b"", packet), (request[:login], b"\0\0\0\2\0\0\0"), (request[login:], None)]

    def same(self, data):
        """The greeting has a number of the connection and random bytes, in two places (Protocol::HandshakeV10)."""
        match = re.match(rb"(....\x0a[^\0]+\0)(.{12})(.{19})(.{12})", data, flags=re.S)
        return match[1] + match[3] + data[match.end():] if match else data

    def words(self, port, tls):
        return ["mariadb", "--no-defaults", "--skip-ssl", "-h", "127.0.0.1", "-P", port, "-u", "root", "-Ne", MARIADB_QUERY]


class Slapd(PlainServer):
    """It is linked with GnuTLS, which nothing of tlsgraft's looks at."""

    name = "slapd"
    executable = "/usr/sbin/slapd"
    title = "OpenLDAP slapd"
    client = "ldapsearch"
    run_user = "openldap"
    notes = "its own TLS is GnuTLS, which tlsgraft cannot govern"

    def configure(self):
        (self.home / "root.ldif").write_text(f"dn:\ndescription: {PLACEHOLDER_BODY}\n")
        (self.home / "slapd.conf").write_text(
            "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_null\n"
            f"pidfile {self.home}/slapd.pid\nrootDSE {self.home}/root.ldif\ndatabase null\nsuffix dc=example\n"
        )

    def command(self):
        return [self.executable, "-f", self.home / "slapd.conf", "-h", f"ldap://127.0.0.1:{self.port}", "-d", "stats"]

    def talk(self):
        """Messages of RFC 4511: an anonymous bind; the root's description; good-bye."""
        name = b"description"
        search = b"\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectClass"
        search += b"\x30" + bytes([len(name) + 2]) + b"\x04" + bytes([len(name)]) + name
        search = b"\x02\x01\x02\x63" + bytes([len(search)]) + search
        return [
            (bytes.fromhex("300c020101600702010304008000"), bytes.fromhex("300c02010161070a010004000400")),
            (b"\x30" + bytes([len(search)]) + search, bytes.fromhex("300c02010265070a010004000400")),
            (bytes.fromhex("30050201034200"), None),
        ]

    def words(self, port, tls):
        words = ["env"]
        if tls:
            who, ca = tls
            words += [f"LDAPTLS_CACERT={ca}", "LDAPTLS_REQCERT=allow"]
            words += [f"LDAPTLS_CERT={who.cert}", f"LDAPTLS_KEY={who.key}"] if who else []
        words += ["ldapsearch", "-x", "-LLL", "-H", f"{'ldaps' if tls else 'ldap'}://127.0.0.1:{port}"]
        return [*words, "-b", "", "-s", "base", "description"]
