# SPDX-License-Identifier: Apache-2.0
"""Why a client was refused: in `status`, in the keeper's log, and in the server's own log."""

import contextlib
import re
import socket
import ssl

from support import procs
from support.build import compiled
from support.case import ServerCase
from support.client import TLS12, TLS13
from support.pki import URI_GOOD, Authority, Credential, new_key, openssl
from support.server import HttpServer

from servers.apache import Apache
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.several import AsyncioSeveral

LINE = re.compile(r"tlsgraft\[\d+\]: info: refused client (\S+):(\d+) in \[server\]: (\w+): (.*)")
PURPOSE = "unsuitable certificate purpose"
GARBAGE = bytes.fromhex("1603010005") + b"hello"


def hello():
    """A whole ClientHello."""
    sent = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="one.example").do_handshake()
    return sent.read()


class Forking(HttpServer):
    name = "forking"
    executable = "/bin/sh"  # compiled when it is started
    hosts = 1

    def configure(self):
        pass

    def command(self):
        return [compiled("forking.c", "-lssl", "-lcrypto"), self.port, self.home / "own0.pem", self.home / "own0.key"]


class Client:
    """One client that is refused: its certificate, how it asks, and what is then said of it."""

    def __init__(self, reason, words, who=None, version=TLS13, more=(), code=None, bytes_=None):
        self.reason = reason
        self.words = words
        self.who = who
        self.version = version
        self.more = list(more)
        self.code = code  # OpenSSL's number of a fault that verification found
        self.bytes = bytes_  # sent instead of a handshake


class Refused(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        self.good = self.pki.clients["good"]
        self.log = self.home / "keeper.log"
        self.made = 0

    def client(self, issuer, *extensions, key="ec", digest="sha256"):
        """A client certificate with exactly these extensions beside the usual names."""
        self.made += 1
        stem = self.home / f"client{self.made}"
        if key == "small":
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", stem.with_suffix(".key"))
        else:
            new_key(key, stem.with_suffix(".key"))
        request, extension_file, cert = (stem.with_suffix(suffix) for suffix in (".csr", ".ext", ".pem"))
        names = [] if any("subjectAltName" in line for line in extensions) else [f"subjectAltName = URI:{URI_GOOD}"]
        extension_file.write_text("\n".join([*extensions, *names, "authorityKeyIdentifier = keyid"]))
        openssl("req", "-new", "-config", issuer.config, "-key", stem.with_suffix(".key"), "-subj", "/CN=client", "-out", request)
        openssl(
            "x509", "-req", "-in", request, "-CA", issuer.cert, "-CAkey", issuer.key, "-CAcreateserial", "-days", 30,
            f"-{digest}", "-extfile", extension_file, "-out", cert,
        )
        if issuer.parent is not None:
            cert.write_text(cert.read_text() + issuer.above)
        return Credential(stem.with_suffix(".key"), cert)

    def between(self, name, *extensions):
        """A CA below the test's, with exactly these extensions beside the usual ones."""
        authority = Authority(self.home / name.replace(" ", "-"), name, parent=self.pki.ca)
        extension_file = authority.home / "more.ext"
        extension_file.write_text("\n".join(["keyUsage = critical, keyCertSign, cRLSign", "subjectKeyIdentifier = hash", *extensions]))
        openssl(
            "x509", "-req", "-in", authority.home / "ca.csr", "-CA", self.pki.ca.cert, "-CAkey", self.pki.ca.key, "-CAcreateserial",
            "-days", 30, "-extfile", extension_file, "-out", authority.cert,
        )
        authority.above = authority.cert.read_text()
        return authority

    def forged(self, credential):
        """The same certificate with another signature."""
        der = bytearray(credential.chain[0])
        der[-1] ^= 1
        path = self.home / "forged.pem"
        path.write_bytes(openssl("x509", "-inform", "DER", stdin=bytes(der)))
        return Credential(credential.key, path)

    def other_ca_of_client(self):
        return ["-CAfile", self.pki.wrong_ca.cert, "-verify_return_error"]

    def section(self, **changes):
        return {"tlsgraft": {"log": self.log}, "server": self.mutual(self.injected, **changes)}

    def counted(self, server):
        found = self.graft.status(server.pid)["sections"][0]
        return {reason: count for reason, count in found["refused_by"].items() if count}, found["handshakes"]

    def lines(self):
        return [match.groups() for match in map(LINE.fullmatch, self.log.read_text().splitlines()) if match]

    def connect(self, server, one, address):
        if one.bytes is None:
            more = [*one.more, "-bind", f"{address}:0"]
            self.assert_refused(self.probe(server, one.version, one.who, more=more))
            return
        with contextlib.suppress(ConnectionError), socket.create_connection(
            ("127.0.0.1", server.port), timeout=10, source_address=(address, 0)
        ) as connection:
            connection.sendall(one.bytes)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def refuse(self, kind, clients, changes, **options):
        """Each client in turn, from an address of its own: status, the keeper's log and the server's own."""
        self.log.unlink(missing_ok=True)
        server = self.grafted(kind, self.ini(self.section(**changes)), **options)
        for number, one in enumerate(clients):
            address = f"127.0.1.{number + 1}"
            with self.subTest(server=kind.name, reason=one.reason, words=one.words):
                before, handshakes = self.counted(server)
                own = one.words if one.code is None else f"{one.code}:{one.words}"
                said = server.log_text().count(own)
                self.connect(server, one, address)
                find = lambda: [line for line in self.lines() if line[0] == address]
                procs.wait_until(find, 5, f"a line about {one.reason} in {self.log.read_text()}")
                after, now = self.counted(server)
                self.assertEqual(after, {**before, one.reason: before.get(one.reason, 0) + 1})
                self.assertEqual(now["accepted"], handshakes["accepted"])
                (_, port, reason, words), = find()
                self.assertEqual(reason, one.reason)
                self.assertGreater(int(port), 1023)
                self.assertIn(one.words, words)
                if one.code is not None:
                    self.assertRegex(words, rf" \(error {one.code} at depth \d\), subject CN=client$")
                procs.wait_until(lambda: server.log_text().count(own) > said, 5, f"{own} in {kind.name}'s log")
        self.assert_served(server, self.probe(server, TLS13, self.good), self.injected)
        self.assertEqual(len(self.lines()), len(clients))
        server.stop()

    def by_verification(self):
        """What our verification finds, with CRLs and without."""
        weak = ["-cipher", "DEFAULT@SECLEVEL=0"]
        clients = self.pki.clients
        ca = self.pki.ca
        usage = "extendedKeyUsage = clientAuth"
        short = self.between("Short CA", "basicConstraints = critical, CA:true, pathlen:0")
        below = Authority(self.home / "below", "CA Below", parent=short)
        narrow = self.between(
            "Narrow CA", "basicConstraints = critical, CA:true", "nameConstraints = critical, permitted;DNS:inside.example"
        )
        with_crl = [
            Client("unknown_ca", "unable to get local issuer certificate", clients["wrong CA"], code=20),
            Client("expired", "certificate has expired", clients["expired"], code=10),
            Client("not_yet_valid", "certificate is not yet valid", clients["not yet valid"], code=9),
            Client("revoked", "certificate revoked", clients["revoked"], code=23),
            Client("revoked", "certificate revoked", clients["revoked"], TLS12, code=23),
            Client("not_allowed", "application verification failure", clients["not allowed"], code=50),
            Client("crl_missing", "unable to get certificate CRL", self.client(self.pki.intermediate, usage), code=3),
            Client("wrong_purpose", PURPOSE, self.client(ca, "extendedKeyUsage = serverAuth"), code=26),
            Client("wrong_purpose", PURPOSE, self.client(ca, usage, "keyUsage = critical, keyEncipherment"), TLS12, code=26),
            Client("bad_signature", "certificate signature failure", self.forged(clients["good"]), code=7),
        ]
        without = [
            Client("weak_key", "EE certificate key too weak", self.client(ca, usage, key="small"), more=weak, code=66),
            Client("weak_digest", "CA signature digest algorithm too weak", self.client(ca, usage, digest="sha1"), more=weak, code=68),
            Client("path_length", "path length constraint exceeded", self.client(below, usage), code=25),
            Client(
                "name_constraints", "permitted subtree violation",
                self.client(narrow, usage, f"subjectAltName = DNS:outside.example, URI:{URI_GOOD}"), code=47,
            ),
        ]
        return with_crl, without

    def by_handshake(self):
        """What the TLS handshake itself fails for."""
        return [
            Client("no_certificate", "peer did not return a certificate"),
            Client("no_certificate", "peer did not return a certificate", version=TLS12),
            Client("no_common_group", "no suitable key share", self.good, more=["-groups", "P-521"]),
            Client("no_common_group", "no shared cipher", self.good, TLS12, ["-groups", "P-521"]),
            Client("no_common_cipher", "no shared cipher", self.good, TLS12, ["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]),
            Client("no_common_cipher", "no shared cipher", self.good, more=["-ciphersuites", "TLS_AES_128_CCM_SHA256"]),
            Client("no_common_signature", "no suitable signature algorithm", self.good, more=["-sigalgs", "ECDSA+SHA256"]),
            Client("client_alert", "tlsv1 alert unknown ca", self.good, more=self.other_ca_of_client()),
            Client("client_alert", "tlsv1 alert unknown ca", self.good, TLS12, self.other_ca_of_client()),
            Client("malformed", "", bytes_=GARBAGE),
        ]

    def test_every_kind_on_nginx(self):
        """nginx alone lets the handshake end, logs what OpenSSL found, and answers 400: the same words under tlsgraft."""
        with_crl, without = self.by_verification()
        for clients, changes in ((with_crl, {}), (without, {"crl": None, "security_level": 2})):
            self.refuse(Nginx, clients, changes)
        bounds = {"groups": "P-256", "ciphers": "ECDHE-RSA-AES256-GCM-SHA384"}
        self.refuse(Nginx, self.by_handshake(), bounds)

    def test_nginx_alone_says_no_more(self):
        """nginx's own verification of the same clients: its log has the number and the words that ours has."""
        # its callback goes on after the first fault; allow is ours; without digitalSignature libssl refuses before nginx speaks
        differ = lambda one: one.reason in ("unknown_ca", "not_allowed") or (one.reason, one.version) == ("wrong_purpose", TLS12)
        with_crl = [one for one in self.by_verification()[0] if not differ(one)]
        server = self.make(Nginx, native=self.pki)
        server.start()
        for one in with_crl:
            self.probe(server, one.version, one.who)
            with self.subTest(reason=one.reason):
                words = f"verify error: ({one.code}:{one.words})"
                procs.wait_until(lambda: words in server.log_text(), 5, f"{words} in nginx's own log")

    def test_apache_says_why(self):
        clients = [
            Client("wrong_purpose", PURPOSE, self.client(self.pki.ca, "extendedKeyUsage = serverAuth"), code=26),
            Client("revoked", "certificate revoked", self.pki.clients["revoked"], TLS12, code=23),
            Client("no_certificate", "peer did not return a certificate"),
        ]
        self.refuse(Apache, clients, {})

    def test_a_process_that_ends_at_once(self):
        """One process for each connection: the last ones end with the tree, and are told of all the same."""
        ini = self.ini(self.section())
        server = self.grafted(Forking, ini)
        pid = self.graft.status(server.pid)["keeper"]["pid"]
        for number in range(4):
            more = ["-bind", f"127.0.1.{number + 1}:0"]
            self.assert_refused(self.probe(server, TLS13, self.pki.clients["expired"], more=more))
        server.stop()
        self.gone(pid)
        self.assertEqual(sorted(line[0] for line in self.lines()), [f"127.0.1.{number + 1}" for number in range(4)])

    def test_bytes_from_memory(self):
        """asyncio gives libssl no socket: the address is that of the connection in which the ClientHello came."""
        for is_listener in (True, False):
            self.log.unlink(missing_ok=True)

            def sections(server, is_listener=is_listener):
                more = {"listener all": {"listen": [f"127.0.0.1:{port}" for port in server.all_ports()]}} if is_listener else {}
                return self.ini({**self.section(), **more})

            server = self.grafted(AsyncioSeveral, sections)
            self.assert_refused(self.probe(server, TLS13, self.pki.clients["expired"], more=["-bind", "127.0.1.1:0"]))
            where = r"127\.0\.1\.1:\d+ in \[listener all\]" if is_listener else r"of an unknown address in \[server\]"
            expected = re.compile(f"refused client {where}: expired: certificate has expired .*, subject CN=client$", re.M)
            procs.wait_until(lambda: expected.search(self.log.read_text()), 5, f"{expected} in {self.log.read_text()}")
            server.stop()

    def test_who_says_nothing_is_no_client(self):
        """A health check has no line; who goes in the middle of a handshake has one."""
        server = self.grafted(PythonSsl, self.ini(self.section()))
        for _ in range(3):
            socket.create_connection(("127.0.0.1", server.port)).close()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(hello()[:20])
        with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.1.1", 0)) as connection:
            connection.sendall(hello())
            self.assertTrue(connection.recv(1))
        procs.wait_until(self.lines, 5, "a line")
        (line,) = self.lines()
        self.assertEqual((line[0], line[2]), ("127.0.1.1", "incomplete"))
        procs.wait_until(lambda: self.counted(server)[1]["aborted"] >= 4, 5, "four that were aborted")
        self.assertEqual(self.counted(server)[0], {"incomplete": 1})
        server.stop()

    def test_many_at_once_are_counted_in_few_lines(self):
        """Of one address, and of more than are told apart: the lines stand for as many as were refused."""
        server = self.grafted(Nginx, self.ini(self.section()))
        pid = self.graft.status(server.pid)["keeper"]["pid"]
        addresses = [f"127.0.{1 + number // 200}.{1 + number % 200}" for number in range(200)] + ["127.0.0.1"] * 100
        for address in addresses:
            with socket.create_connection(("127.0.0.1", server.port), source_address=(address, 0)) as connection:
                connection.sendall(GARBAGE)
                with contextlib.suppress(ConnectionError):
                    while connection.recv(4096):
                        pass
        self.assertEqual(self.counted(server)[0], {"malformed": 300})
        server.stop()
        self.gone(pid)
        lines = [line for line in self.log.read_text().splitlines() if " refused client" in line]
        stands = [int((re.search(r"; this line stands for (\d+)$", line) or [0, 1])[1]) for line in lines]
        self.assertEqual(sum(stands), 300, "\n".join(lines[-5:]))
        self.assertLess(len(lines), 150)

    def test_what_an_attached_process_makes_up_stays_one_line(self):
        """Subjects are the client's own words."""
        who = self.pki.second_ca.issue("x", "client")
        openssl(
            "req", "-x509", "-new", "-key", who.key, "-utf8", "-subj", "/CN=a\ntlsgraft[1]: info: refused client \x1b[31m\u00fc", "-days", 5,
            "-config", self.pki.ca.config, "-out", self.home / "self.pem",
        )
        server = self.grafted(Nginx, self.ini(self.section()))
        self.assert_refused(self.probe(server, TLS13, Credential(who.key, self.home / "self.pem")))
        procs.wait_until(self.lines, 5, "a line")
        self.assertEqual(len(self.lines()), 1)
        self.assertIn("CN=a\\\\0Atlsgraft[1]: info: refused client \\\\1B[31m\\\\C3\\\\BC".replace("\\\\", "\\"), self.lines()[0][3])
        self.assertTrue(self.log.read_text().isascii())
        server.stop()
