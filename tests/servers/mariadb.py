# SPDX-License-Identifier: Apache-2.0
"""MariaDB as the user mysql: it speaks first, in plaintext, and its clients ask for TLS."""

import signal
import struct
import subprocess

from support.facts import OwnReload
from support.server import PLACEHOLDER_BODY
from support.starttls import StarttlsServer, cached_folder, plaintext_note

_PROTOCOL_41, _SSL, _SECURE, _PLUGIN, _ATTRIBUTES = 0x200, 0x800, 0x8000, 0x80000, 0x100000
QUERY = f"SELECT '{PLACEHOLDER_BODY} one'"


def _packet(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


_QUERY = _packet(0, b"\x03" + QUERY.encode())
_QUIT = _packet(0, b"\x01")
_FINE = b"\0\0\0\2\0\0\0"  # how OK ends: no row, no number, autocommit, no warning
_END = b"\xfe\0\0\2\0"


def _flush_ssl(server):
    """By the server's Unix socket, without TLS. It makes a new context, which has accepted nobody yet."""
    done = subprocess.run(
        ["mariadb", "--no-defaults", "--socket=socket", "--skip-ssl", "-u", "root", "-Ne",
         "SHOW STATUS LIKE 'Ssl_accepts'; FLUSH SSL; SHOW STATUS LIKE 'Ssl_accepts'"],
        cwd=server.home / "data", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )
    before, after = (int(line.split()[1]) for line in done.stdout.splitlines())
    if before == 0 or after != 0:
        raise AssertionError(f"FLUSH SSL did nothing: {before} connections before it, {after} after")


class Mariadb(StarttlsServer):
    name = "mariadb"
    executable = "/usr/sbin/mariadbd"
    title = "MariaDB"
    package = "mariadb-server"
    user = run_user = "mysql"
    refuses_root = True
    asks_by_itself = True
    probe_options = {"starttls": "mysql"}
    own_reloads = (
        OwnReload("FLUSH SSL", _flush_ssl, shows=lambda server: server.is_ready()),
        OwnReload("SIGHUP", signal.SIGHUP, says="Status information:"),
    )
    client = "mariadb"
    closes_plaintext = "require_secure_transport = ON"
    notes = plaintext_note(closes_plaintext)

    @staticmethod
    def _database(folder):
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={folder}", "--auth-root-authentication-method=normal",
             "--skip-test-db", "--user=mysql", "--innodb-log-file-size=4M"],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
        )

    def configure(self):
        template = cached_folder("mariadb-database", self._database)
        subprocess.run(["cp", "-a", "--sparse=always", template, self.home / "data"], check=True)
        self.options = [
            f"--datadir={self.home}/data", "--bind-address=127.0.0.1", f"--port={self.port}", "--socket=socket",
            "--skip-name-resolve", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M",
            f"--pid-file={self.home}/data/pid", f"--ssl-cert={self.home}/own0.pem", f"--ssl-key={self.home}/own0.key",
        ]
        if self.tls_only:
            self.options += ["--require-secure-transport=ON"]

    def command(self):
        return [self.executable, "--no-defaults", *self.options]

    @staticmethod
    def _login(number, flags):
        """HandshakeResponse41 of a user without a password, numbered after what went before."""
        flags |= _PROTOCOL_41 | _SECURE | _PLUGIN | _ATTRIBUTES
        return _packet(number, struct.pack("<IIB23x", flags, 1 << 24, 33) + b"root\0\0mysql_native_password\0\0")

    def conversation(self, host):
        return [(self._login(2, _SSL), _FINE), (_QUERY, _END)]

    def request(self, host):
        return self._login(2, _SSL) + _QUERY + _QUIT

    def is_answer(self, data, host):
        row = f"{PLACEHOLDER_BODY} one".encode()
        return bytes([len(row)]) + row in data

    def plain_request(self, host):
        return self._login(1, 0) + _QUERY + _QUIT

    def client_words(self, who, ca):
        words = ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", self.port, "-u", "root", f"--ssl-ca={ca}"]
        if who:
            words += [f"--ssl-cert={who.cert}", f"--ssl-key={who.key}"]
        return [*words, "-Ne", QUERY]

    def client_served(self, done):
        return done.stdout == f"{PLACEHOLDER_BODY} one\n".encode()
