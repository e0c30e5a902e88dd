# SPDX-License-Identifier: Apache-2.0
"""The header of the PROXY protocol: what it says against what the client knows, and servers that read one."""

import ssl

from support import procs
from support.live import Live
from support.pki import URI_GOOD, pem_ders
from support.server import PLACEHOLDER_BODY, Server

from plaintext.http2 import PYTHON, SUPPORT
from plaintext.listener import Listener
from plaintext.web import Haproxy, Nginx

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ALPN, AUTHORITY, TLS = 0x01, 0x02, 0x20
VERSION, NAME, CIPHER, GROUP, SCHEME, CERTIFICATE = 0x21, 0x22, 0x23, 0x26, 0x27, 0x28
SCHEMES = {
    "rsa": "rsa_pss_rsae_sha256", "ec": "ecdsa_secp256r1_sha256", "ed25519": "ed25519", "rsa-pss": "rsa_pss_pss_sha256",
}
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
LONG = 25  # names of some 200 bytes each: more than nginx has room for


class Shows(Server):
    name = "shows"
    executable = PYTHON
    hosts = 0

    def configure(self):
        pass

    def command(self):
        return [self.executable, SUPPORT / "hex_server.py", self.port]

    def is_ready(self):
        return procs.listening(self.port)


class HeadedNginx(Nginx):
    """Takes 4096 bytes."""

    def configure(self):
        super().configure()
        file = self.home / "nginx.conf"
        listen = f"listen 127.0.0.1:{self.port}"
        with_header = f"{listen} proxy_protocol; set_real_ip_from 127.0.0.0/8; real_ip_header proxy_protocol"
        file.write_text(file.read_text().replace(listen, with_header))

    def is_ready(self):
        return procs.listening(self.port)


class HeadedHaproxy(Haproxy):
    """Takes as much as one of its buffers holds, 16 KiB."""

    def configure(self):
        super().configure()
        file = self.home / "haproxy.cfg"
        file.write_text(file.read_text().replace(f"bind 127.0.0.1:{self.port}", f"bind 127.0.0.1:{self.port} accept-proxy"))

    def is_ready(self):
        return procs.listening(self.port)


def values(data):
    """{type: value} of what fills `data`."""
    found = {}
    while data:
        size = int.from_bytes(data[1:3], "big")
        assert data[0] not in found and len(data) >= 3 + size, f"{data[:40]!r}"
        found[data[0]] = data[3 : 3 + size]
        data = data[3 + size :]
    return found


class Header(Listener):
    def header(self, connection):
        """What the server read before the client's bytes: the values, those of TLS among them."""
        data = bytes.fromhex(connection.ask(b"show\n", lambda said: said.endswith(b"\n")).decode())
        self.assertTrue(data.startswith(SIGNATURE + b"\x21\x11"), f"{data[:40]!r}")
        self.assertEqual(16 + int.from_bytes(data[14:16], "big"), len(data))
        outer = values(data[28:])
        tls = outer[TLS]
        return {**outer, **values(tls[5:])}, tls[0]

    def asked(self, version, offer, session=None, context=None):
        if not context:
            context = Live.make_context(self.good, VERSIONS[version])
            context.set_alpn_protocols(offer)
        return self.by_tls(context=context, session=session)

    def facts(self, engine):
        self.start(Shows, engine=engine, alpn="h2", proxy_protocol="v2")
        for key_type, scheme in SCHEMES.items():
            self.serving = self.pki.server(key_type)
            self.reload(engine=engine, alpn="h2", proxy_protocol="v2")
            for version in VERSIONS:
                with self.subTest(f"{key_type} {version}"):
                    connection = self.asked(version, ["h2"])
                    said, flags = self.header(connection)
                    self.assertEqual(flags, 7)
                    self.assertEqual(said[ALPN], b"h2")
                    self.assertEqual(said[AUTHORITY], b"one.example")
                    self.assertEqual(said[VERSION].decode(), version)
                    self.assertEqual(said[CIPHER].decode(), connection.socket.cipher()[0])
                    self.assertEqual(said[NAME], b"client")
                    self.assertEqual(said[GROUP], b"x25519")
                    self.assertEqual(said[SCHEME].decode(), scheme)
                    self.assertEqual(said[CERTIFICATE], pem_ders(self.good.cert)[0])
                    again = self.asked(version, [], connection.socket.session, connection.context)
                    self.assertTrue(again.socket.session_reused)
                    said, flags = self.header(again)
                    self.assertEqual(flags, 5)
                    self.assertNotIn(SCHEME, said)
                    self.assertEqual(said[CERTIFICATE], pem_ders(self.good.cert)[0])
        said, _ = self.header(self.asked("TLSv1.3", ["other"]))
        self.assertNotIn(ALPN, said)
        self.reload(engine=engine, alpn="h2", proxy_protocol="v2-ssl-cn")
        said, _ = self.header(self.asked("TLSv1.3", ["h2"]))
        self.assertEqual((said[ALPN], said[NAME], CERTIFICATE in said), (b"h2", b"client", False))

    def test_facts(self):
        self.facts("direct")

    def test_facts_by_the_relay(self):
        self.facts("relay")

    # servers

    def client_with_names(self, count):
        names = ", ".join(f"DNS:{number:0190d}" for number in range(count))
        return self.pki.ca.issue("client", "client", names=f"URI:{URI_GOOD}, {names}")

    def test_haproxy(self):
        self.start(HeadedHaproxy, proxy_protocol="v2")
        for who in (self.good, self.client_with_names(LONG)):
            answer = self.by_tls(who, source="127.0.0.9").ask(b"GET / HTTP/1.0\r\n\r\n")
            self.assertIn(PLACEHOLDER_BODY.encode(), answer)
        self.assertIn("127.0.0.9", self.server.log_text())

    def test_nginx(self):
        """A certificate too long for the server is the server's to refuse: it gets a whole header, or one without it."""
        self.start(HeadedNginx, proxy_protocol="v2")
        request = b"GET /file.txt HTTP/1.0\r\n\r\n"
        long = self.client_with_names(LONG)
        self.assertIn(PLACEHOLDER_BODY.encode(), self.by_tls(source="127.0.0.9").ask(request))
        self.assertIn("127.0.0.9", self.server.log_text())
        self.assertNotIn(PLACEHOLDER_BODY.encode(), self.by_tls(long).ask(request))
        self.reload(proxy_protocol="v2-ssl-cn")
        self.assertIn(PLACEHOLDER_BODY.encode(), self.by_tls(long).ask(request))
