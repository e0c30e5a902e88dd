# SPDX-License-Identifier: Apache-2.0
"""Ports that answer TLS and plaintext, hide the one behind the other, or have nothing to do with any section."""

import subprocess
from pathlib import Path

from support import procs
from support.ports import free_port, free_ports

from doctor.case import DoctorCase

PYTHON = "/usr/bin/python3"
BOTH = Path(__file__).resolve().parent / "both_ways.py"

DATA = """
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
kept = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
print("mapped", flush=True)
time.sleep(60)
"""

PLAIN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
import ssl
ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
print("listening", flush=True)
while True:
    connection = listener.accept()[0]
    if connection.recv(4096).startswith(b"HEAD"):
        connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    connection.close()
"""


class BothWays(DoctorCase):
    def begin(self, *command):
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)

        def end():
            procs.kill(process.pid)
            process.communicate()

        self.addCleanup(end)
        self.assertIn(process.stdout.readline().strip(), ("listening", "mapped"))
        return process

    def lines(self, what):
        """(exit status, what doctor says of the port) of a server of both_ways.py."""
        self.injected = self.pki.server("rsa")
        placeholder = self.pki.server("ec")
        port = free_port()
        ini = self.ini({"server": self.mutual(self.injected)})
        server = self.begin(*self.graft.run(ini), PYTHON, BOTH, port, placeholder.cert, placeholder.key, what)
        done = self.doctor(server.pid)
        return done.returncode, [line.strip() for line in done.stdout.splitlines() if f":{port}, " in line]

    def assert_governed(self, line):
        self.assertIn(f"ours (SHA-256 {self.injected.leaf_sha256})", line)
        self.assertIn("refuses who has none", line)

    def test_postgresql_with_direct_tls(self):
        """From version 17 on it answers a ClientHello, and a login in plaintext as before."""
        code, lines = self.lines("postgres")
        self.assertEqual((code, len(lines)), (1, 3), str(lines))
        self.assertIn("before TLS: answers plaintext (PostgreSQL)", lines[0])
        self.assertIn("hostssl", lines[0])
        self.assertIn("TLS inside PostgreSQL", lines[1])
        for line in lines[1:]:
            self.assert_governed(line)

    def test_http_beside_tls(self):
        code, lines = self.lines("http")
        self.assertEqual((code, len(lines)), (1, 2), str(lines))
        self.assertIn("answers plaintext (HTTP)", lines[0])
        self.assert_governed(lines[1])

    def test_http_that_sends_away(self):
        code, lines = self.lines("http-400")
        self.assertEqual((code, len(lines)), (0, 1), str(lines))
        self.assert_governed(lines[0])

    def test_tls_that_is_not_offered(self):
        for what, protocol in (("ftp", "FTP"), ("smtp", "SMTP")):
            with self.subTest(what):
                code, lines = self.lines(what)
                self.assertEqual((code, len(lines)), (0, 2), str(lines))
                self.assertIn(f"begins in plaintext ({protocol}) and goes on only in TLS", lines[0])
                self.assertIn(f"TLS inside {protocol}", lines[1])
                self.assert_governed(lines[1])

    def test_plaintext_is_no_section_s(self):
        """[server] has no say on a port without TLS, whatever its mode."""
        port = free_ports(1)[0]
        ini = self.ini({"server": self.mutual(self.pki.server("rsa"))})
        server = self.begin(*self.graft.run(ini), PYTHON, "-c", PLAIN, port)
        done = self.doctor(server.pid)
        self.assert_says(done, 1, f":{port}, which no section governs: answers plaintext (HTTP)")
        self.assertNotIn("mutual", "".join(line for line in done.stdout.splitlines() if f":{port}" in line))

    def test_a_shim_that_is_mapped_as_data(self):
        """Nothing of it runs."""
        process = self.begin(PYTHON, "-c", DATA, self.graft.shim)
        code, _, said = self.findings(process.pid)
        self.assertEqual(code, 126)
        self.assertTrue(any(about == "shim" and "mapped as data" in text for _, about, text in said), str(said))
        self.assertFalse(any(text == "the shim is in it" for *_, text in said), str(said))
