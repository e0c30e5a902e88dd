# SPDX-License-Identifier: Apache-2.0
"""What `check` says of a set of files, and whether clients of a real server then get in: the two must agree."""

import itertools
import subprocess

from support import procs
from support.case import ServerCase
from support.client import TLS12, TLS13, VERSIONS
from support.pki import Authority, Credential, new_key, openssl
from support.ports import free_port

from servers.nginx import Nginx

RSA_SUITE, EC_SUITE = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"


class Trial(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        self.good = self.pki.clients["good"]

    def client_of(self, authority, extensions, key=None):
        """A client's certificate with just these extensions; `key`: a file, else a new one."""
        stem = self.home / f"client-{len(list(self.home.iterdir()))}"
        key, request = key or new_key("ec", stem.with_suffix(".key")), stem.with_suffix(".csr")
        openssl("req", "-new", "-key", key, "-subj", "/CN=client", "-out", request)
        stem.with_suffix(".ext").write_text("\n".join(extensions) + "\n")
        openssl("x509", "-req", "-in", request, "-CA", authority.cert, "-CAkey", authority.key, "-days", 20,
                "-set_serial", 4711, "-extfile", stem.with_suffix(".ext"), "-out", stem.with_suffix(".pem"))
        return Credential(key, stem.with_suffix(".pem"))

    def check(self, sections):
        """Status and output of `check` for sections that are in force from the next reload on."""
        done = self.graft.command("check", self.ini(sections))
        return done.returncode, done.stdout + done.stderr

    def assert_each(self, server, clients, served):
        for version, who in itertools.product(VERSIONS, clients):
            with self.subTest(version=version, who=who.cert):
                result = self.probe(server, version, who)
                if served:
                    self.assert_served(server, result, self.injected)
                else:
                    self.assert_refused(result, self.injected)

    def test_a_chain_is_looked_up_as_far_as_it_is_listed(self):
        middle = Authority(self.home / "middle", "Intermediate CA", parent=self.pki.ca)
        who = self.pki.client(middle)
        root_crl, crl = self.pki.ca.write_crl(self.home / "root.crl"), middle.write_crl(self.home / "middle.crl")
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected)}))
        for cas, crls, clients in (
            ([self.pki.ca.cert, middle.cert], [root_crl, crl], [who, self.good]),
            ([middle.cert], [crl], [who]),
        ):
            sections = {"server": self.mutual(self.injected, ca=cas, crl=crls, crl_check="chain")}
            status, said = self.check(sections)
            self.assertEqual(status, 0, said)
            self.assert_reloaded(server)
            self.assert_each(server, clients, served=True)
        # What leads nowhere is refused, and what was good goes on.
        sections = {"server": self.mutual(self.injected, ca=[self.pki.ca.cert, middle.cert], crl=[root_crl, crl], crl_check="chain",
                                          verify_depth=0)}
        self.assertEqual(self.check(sections)[0], 78)
        self.assert_reload_refused(server, "no client of this CA can be let in")
        self.assert_each(server, [who], served=True)

    def test_cas_of_one_name(self):
        """Whatever their order, and also for clients that do not say which one they mean."""
        twins = [Authority(self.home / name, "Twin CA") for name in ("one", "two")]
        clients = [self.client_of(twin, ["extendedKeyUsage=clientAuth", "authorityKeyIdentifier=none"]) for twin in twins]
        others = [self.client_of(self.pki.wrong_ca, ["extendedKeyUsage=clientAuth", "authorityKeyIdentifier=none"])]
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected)}))
        for order in (twins, twins[::-1]):
            for crls in ([], [twin.write_crl(self.home / f"{twin.home.name}.crl") for twin in order]):
                keys = {"ca": [twin.cert for twin in order], "crl": crls or None, "allow": None}
                self.ini({"server": {name: value for name, value in self.mutual(self.injected, **keys).items() if value}})
                self.assert_reloaded(server)
                self.assert_each(server, clients, served=True)
                self.assert_each(server, others, served=False)

    def test_the_level_counts_whatever_the_cipher_list_says(self):
        weak = self.home / "weak.key"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", weak)
        who = self.client_of(self.pki.ca, ["extendedKeyUsage=clientAuth"], weak)
        keys = {"allow": None, "ciphers": "DEFAULT@SECLEVEL=0", "override": "yes"}
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected)}))
        for level, served in ((0, True), (2, False)):
            keys["security_level"] = level
            sections = {name: value for name, value in self.mutual(self.injected, **keys).items() if value is not None}
            self.ini({"server": sections})
            self.assert_reloaded(server)
            for version in VERSIONS:
                result = self.probe(server, version, who, more=("-cipher", "DEFAULT@SECLEVEL=0"))
                if served:
                    self.assert_served(server, result, self.injected)
                else:
                    self.assert_refused(result)

    def test_names_that_no_handshake_carries(self):
        key = new_key("ec", self.home / "many.key")
        many = self.home / "many.pem"
        units = "".join(f"/OU={'u' * 60}{number:02d}" for number in range(30))
        many.write_bytes(b"".join(
            openssl("req", "-x509", "-new", "-key", key, "-subj", f"{units}/CN={number}", "-days", 20) for number in range(32)))
        sections = {"server": self.mutual(self.injected, ca=[self.pki.ca.cert, many], crl=None)}
        del sections["server"]["crl"]
        status, said = self.check(sections)
        self.assertEqual(status, 1, said)
        self.assertIn("none is sent", said)
        server = self.grafted(Nginx, self.ini(sections))
        self.assert_each(server, [self.good], served=True)
        self.assert_each(server, [self.pki.clients["wrong CA"]], served=False)

    def native(self, credential, words):
        """Does a client of a bare OpenSSL with the same files come to terms with it, in any version?"""
        port = free_port()
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", credential.cert, "-key", credential.key,
             "-cert_chain", credential.cert, "-www", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            procs.wait_until(lambda: server.poll() is not None or procs.accepts(port), 10, "s_server")
            for version in VERSIONS if server.poll() is None else ():
                done = subprocess.run(
                    ["openssl", "s_client", "-connect", f"127.0.0.1:{port}",
                     "-tls1_3" if version == TLS13 else "-tls1_2"], timeout=20, check=False,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                if b"Cipher is (NONE)" not in done.stdout and done.returncode == 0:
                    return True
            return False
        finally:
            server.terminate()
            server.wait()

    def test_check_says_good_where_a_client_gets_in(self):
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected)}))
        bounds = ({}, {"max_protocol": "TLSv1.2"}, {"min_protocol": "TLSv1.3"})
        others = ({}, {"ciphers": RSA_SUITE}, {"ciphers": EC_SUITE}, {"groups": "X25519"}, {"ciphersuites": "TLS_AES_128_CCM_SHA256"},
                  {"security_level": 3})
        words = {"max_protocol": ["-tls1_2"], "min_protocol": ["-tls1_3"]}
        counts = {0: 0, 1: 0, 78: 0}
        for key_type, bound, other in itertools.product(("rsa", "ec"), bounds, others):
            injected = self.pki.server(key_type)
            keys = {**bound, **other}
            sections = {"server": self.mutual(injected, **keys)}
            status, said = self.check(sections)
            counts[status] += 1
            with self.subTest(key_type=key_type, **keys):
                if status == 78:
                    self.assert_reload_refused(server)
                    more = [word for name in bound for word in words[name]]
                    more += ["-cipher", other["ciphers"]] if "ciphers" in other else []
                    more += ["-cipher", "DEFAULT@SECLEVEL=3"] if "security_level" in other else []
                    self.assertFalse(self.native(injected, more), said)
                    continue
                self.assert_reloaded(server)
                asked = [version for version in VERSIONS if not (
                    (version == TLS13 and "max_protocol" in keys) or (version == TLS12 and "min_protocol" in keys))]
                for version in asked:
                    number = "TLS 1.3" if version == TLS13 else "TLS 1.2"
                    more = ("-ciphersuites", other["ciphersuites"]) if "ciphersuites" in other and version == TLS13 else ()
                    result = self.probe(server, version, self.good, more=more)
                    if f"no client can be served in {number}" in said or (
                            version == TLS12 and "clients with an ECDSA certificate are refused" in said):
                        self.assert_refused(result)
                    else:
                        self.assert_served(server, result, injected)
        # The table has sets of each sort, or it would prove nothing.
        self.assertTrue(all(counts.values()), counts)
