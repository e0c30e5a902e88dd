# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: the postmaster as the user postgres from the start (it refuses root), one process for each connection."""

import shutil
import signal
import struct
import subprocess
from pathlib import Path

from support import client
from support.facts import OwnReload
from support.server import PLACEHOLDER_BODY
from support.starttls import StarttlsServer, cached_folder, plaintext_note

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]

_CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{home}/own0.pem'
ssl_key_file = '{home}/own0.key'
{native}
fsync = off
shared_buffers = 1MB
max_connections = 40
"""

QUERY = f"SELECT '{PLACEHOLDER_BODY} one'"
_READY = b"Z\0\0\0\x05I"


def _message(kind, body=b""):
    return kind + struct.pack(">i", len(body) + 4) + body


class Postgresql(StarttlsServer):
    name = "postgresql"
    executable = str(_PROGRAMS / "postgres")
    title = "PostgreSQL"
    package = f"postgresql-{_PROGRAMS.parent.name}"
    user = run_user = "postgres"
    refuses_root = True
    processes = 0
    probe_options = {"starttls": "postgres"}
    speaks_first = False
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, says="received SIGHUP, reloading configuration files"),)
    client = "psql"
    resumes = {"1.2": False, "1.3": False}  # switches sessions and tickets off
    closes_plaintext = "hostssl lines alone in pg_hba.conf"
    notes = plaintext_note(closes_plaintext)

    def _database(self, folder):
        folder.mkdir()
        shutil.chown(folder, "postgres", "postgres")
        subprocess.run(
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", _PROGRAMS / "initdb", "-N", "-D", folder,
             "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C"],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
        )

    def configure(self):
        template = cached_folder("postgresql-database", self._database)
        subprocess.run(["cp", "-a", template, self.home / "data"], check=True)
        native = f"ssl_ca_file = '{self.native.ca.cert}'\nssl_crl_file = '{self.native.crl}'" if self.native else ""
        with open(self.home / "data" / "postgresql.conf", "a") as config:
            config.write(_CONFIG.format(port=self.port, home=self.home, native=native))
        kind = "hostssl" if self.native or self.tls_only else "host"
        options = "clientcert=verify-ca" if self.native else ""
        (self.home / "data" / "pg_hba.conf").write_text(f"{kind} all all 127.0.0.1/32 trust {options}\n")

    def command(self):
        return [self.executable, "-D", self.home / "data"]

    def is_ready(self):
        """It accepts, and turns everybody away, while it starts."""
        return super().is_ready() and b"57P03" not in client.plain(self.port, self.request(""))

    def conversation(self, host):
        parameters = b"user\0tester\0database\0postgres\0\0"
        startup = struct.pack(">ii", 8 + len(parameters), 196608) + parameters
        return [(startup, _READY), (_message(b"Q", QUERY.encode() + b"\0"), _READY)]

    def request(self, host):
        return b"".join(question for question, _ in self.conversation(host)) + _message(b"X")

    def is_answer(self, data, host):
        row = f"{PLACEHOLDER_BODY} one".encode()
        return _message(b"D", struct.pack(">hi", 1, len(row)) + row) in data

    def client_words(self, who, ca):
        target = f"host=127.0.0.1 port={self.port} user=tester dbname=postgres sslmode=verify-ca sslrootcert={ca}"
        if who:
            target += f" sslcert={who.cert} sslkey={who.key}"
        return ["psql", target, "-AtXc", QUERY]

    def client_served(self, done):
        return done.stdout == f"{PLACEHOLDER_BODY} one\n".encode()
