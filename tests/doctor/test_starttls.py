# SPDX-License-Identifier: Apache-2.0
"""Servers that begin in plaintext: what their ports answer before TLS, and inside it."""

from doctor.case import DoctorCase
from servers.dovecot import Dovecot
from servers.mariadb import Mariadb
from servers.postfix import Postfix
from servers.postgresql import Postgresql
from servers.proftpd import Proftpd
from servers.vsftpd import Vsftpd

# The word of each server's switch that doctor must name.
SWITCHES = {
    Dovecot: "ssl = required", Mariadb: "require_secure_transport = ON", Postfix: "smtpd_tls_security_level = encrypt",
    Postgresql: "hostssl", Proftpd: "TLSRequired on", Vsftpd: "force_local_logins_ssl=YES",
}


class Starttls(DoctorCase):
    def of_port(self, kind, tls_only):
        injected = self.pki.server("rsa")
        server = self.grafted(kind, self.ini({"server": self.mutual(injected)}), tls_only=tls_only)
        done = self.doctor(server.pid)
        lines = [line.strip() for line in done.stdout.splitlines() if f":{server.port}, " in line]
        server.stop()
        self.assertEqual(len(lines), 2, done.stdout + done.stderr)
        self.assertIn(f"ours (SHA-256 {injected.leaf_sha256})", lines[1])
        self.assertIn("asks for a client certificate and refuses who has none", lines[1])
        return done, lines[0]

    def both(self, kind):
        done, line = self.of_port(kind, tls_only=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertTrue(line.startswith("limit: "), line)
        self.assertIn("whether it goes on so cannot be told" if kind is Mariadb else "answers plaintext", line)
        self.assertIn(SWITCHES[kind], line)
        if kind in (Mariadb, Dovecot):
            # the one tells only who can log in; the other leaves loopback open, where doctor asks from
            return
        done, line = self.of_port(kind, tls_only=True)
        self.assertFalse(line.startswith("limit: "), line)
        self.assertIn("goes on only in TLS", line)


def _add(kind):
    def test(self):
        self.both(kind)

    test.__doc__ = f"{kind.name} with its switch open, and closed."
    setattr(Starttls, f"test_{kind.name}", test)


for _kind in SWITCHES:
    _add(_kind)
