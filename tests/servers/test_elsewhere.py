# SPDX-License-Identifier: Apache-2.0
"""Connections that came to no IP address are [server]'s or nobody's, whatever TCP listeners have sections of their own."""

import contextlib
import os
import socket
import ssl
import subprocess
from pathlib import Path

from support.case import ServerCase
from support.client import VERSIONS
from support.live import Bare
from support.memory_pair import CALLS
from support.ports import free_port

from servers.haproxy import Haproxy
from servers.nginx import Nginx

PROGRAM = Path(__file__).resolve().parent.parent / "support" / "memory_pair.py"


class UnixHaproxy(Haproxy):
    """Also on a UNIX socket."""

    def configure(self):
        super().configure()
        path = self.home / "haproxy.cfg"
        tcp = next(line for line in path.read_text().splitlines() if "bind " in line)
        path.write_text(path.read_text().replace(tcp, f"{tcp}\n    bind unix@{self.home}/tls.sock mode 666 ssl crt {self.home}/own0.both"))


class UnixNginx(Nginx):
    """Also on a UNIX socket."""

    def configure(self):
        super().configure()
        path = self.home / "nginx.conf"
        listens = f"listen 127.0.0.1:{self.port} ssl"
        assert listens in path.read_text(), path.read_text()
        path.write_text(path.read_text().replace(listens, f"listen unix:{self.home}/tls.sock ssl; {listens}", 1))


def leaf_over(path):
    """The certificate that a client without one is shown on a UNIX socket, with the first line of the answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(10)
        plain.connect(str(path))
        with context.wrap_socket(plain, server_hostname="one.example") as client:
            client.sendall(b"GET / HTTP/1.0\r\nHost: one.example\r\n\r\n")
            return client.getpeercert(binary_form=True), client.recv(100).partition(b"\r\n")[0]


def got_over_tls(port):
    """What a client without a certificate is sent first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain) as tls:
            return tls.recv(4)


class Elsewhere(ServerCase):
    def over_unix(self, kind):
        server = self.make(kind)
        own = ssl.PEM_cert_to_DER_cert((server.home / "own0.pem").read_text().partition("-----END")[0] + "-----END CERTIFICATE-----\n")
        injected = self.pki.server("ec")
        section = {"listener tcp": {"listen": f"127.0.0.1:{server.port}", **self.mutual(injected)}}
        server.start(wrap=self.graft.run(self.ini(section)), environment=self.graft.environment())
        with Bare(server.port):  # which is a connection of the section
            for _ in range(3):
                leaf, line = leaf_over(server.home / "tls.sock")
                self.assertEqual(leaf, own)
                self.assertIn(b"200", line)
        tree = self.graft.status(server.pid)
        self.assertEqual([{"listen": "no IP address", "handshakes": 3}], tree["ungoverned"])
        for version in VERSIONS:
            self.assertFalse(self.probe(server, version, None).data)
            self.assertTrue(self.probe(server, version, self.pki.clients["good"]).data)

    def test_haproxy(self):
        self.over_unix(UnixHaproxy)

    def test_nginx(self):
        self.over_unix(UnixNginx)

    def test_of_server(self):
        for kind in (UnixHaproxy, UnixNginx):
            with self.subTest(kind.name):
                server = self.make(kind)
                sections = {
                    "server": self.mutual(self.pki.server("rsa")),
                    "listener tcp": {"listen": f"127.0.0.1:{server.port}", "mode": "off"},
                }
                server.start(wrap=self.graft.run(self.ini(sections)), environment=self.graft.environment())
                with self.assertRaises((ssl.SSLError, OSError)):
                    leaf_over(server.home / "tls.sock")

    def memory(self, mode, port, sections):
        own = self.pki.own("rsa")
        words = [*self.graft.run(self.ini(sections)), "/usr/bin/python3", PROGRAM, own.cert, own.key, mode, port]
        return subprocess.Popen(
            [str(word) for word in words], stdout=subprocess.PIPE, text=True, env={**os.environ, **self.graft.environment()}
        )

    def test_a_pair_inside_one_process(self):
        sections = {"listener x": {"listen": f"127.0.0.1:{free_port()}", **self.mutual(self.pki.server("ec"))}}
        with self.memory("pair", 0, sections) as process:
            self.assertEqual(process.communicate(timeout=20)[0], "served data\n")
        sections["server"] = self.mutual(self.pki.server("rsa"))
        with self.memory("pair", 0, sections) as process:
            self.assertIn("refused", process.communicate(timeout=20)[0])

    def with_connection(self, mode, client):
        """What the server says, with a connection to a port that a section governs; `client(port)` makes it."""
        port = free_port()
        sections = {"listener x": {"listen": f"127.0.0.1:{port}", **self.mutual(self.pki.server("ec"))}}
        with self.memory(mode, port, sections) as process:
            self.assertEqual(process.stdout.readline(), "listening\n")
            client(port)
            return process.communicate(timeout=20)[0]

    def test_not_known_is_strict_while_it_could_be_a_listeners(self):
        """The bytes might be of the connection that is there: as strict as before."""
        connections = []
        try:
            said = self.with_connection("held", lambda port: connections.append(Bare(port)))
        finally:
            for connection in connections:
                connection.close()
        self.assertIn("refused", said)

    def client_gets_nothing(self, port):
        with contextlib.suppress(ssl.SSLError, OSError):
            self.assertNotEqual(got_over_tls(port), b"data")

    def test_bytes_that_nobody_saw_are_no_way_in(self):
        for mode in ("unseen", "piped"):
            with self.subTest(mode):
                self.assertIn("refused", self.with_connection(mode, self.client_gets_nothing))

    def test_bytes_are_known_whatever_call_reads_them(self):
        """Each hook on a call that reads tells which connection the bytes came from: a stricter section is not that one's."""
        pair = self.pki.server("ec")
        for call in CALLS:
            port = free_port()
            sections = {
                "listener x": {"listen": f"127.0.0.1:{port}", "mode": "server", **self.pair(pair)},
                "listener y": {"listen": f"127.0.0.1:{free_port()}", **self.mutual(pair)},
            }
            with self.subTest(call), self.memory(call, port, sections) as process:
                self.assertEqual(process.stdout.readline(), "listening\n")
                self.assertEqual(got_over_tls(port), b"data")
                self.assertEqual(process.communicate(timeout=20)[0], "served\n")
