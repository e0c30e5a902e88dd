# SPDX-License-Identifier: Apache-2.0
"""[listener] and [sni] sections, allow, crl, protocol limits: which rule applies to which connection."""

import time

from support import client, procs, sni
from support.case import ServerCase
from support.client import TLS12, TLS13, VERSIONS
from support.pki import HOSTS, URI_GOOD, URI_OTHER, Authority, Credential
from support.ports import free_port

from servers.apache import Apache
from servers.everyone import SERVERS
from servers.haproxy import Haproxy
from servers.lighttpd import Lighttpd
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.several import HaproxySeveral


class Sections(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        self.other = self.pki.server("ec", 7)
        self.good = self.pki.clients["good"]
        self.second = self.pki.client(self.pki.second_ca)

    def test_listeners(self):
        """[server] for all, one port exempt, one optional, one with another certificate and another CA."""
        off, optional, other = free_port(), free_port(), free_port()
        ini = self.ini(
            {
                "server": self.mutual(self.injected),
                "listener exempt": {"listen": f"127.0.0.1:{off}", "mode": "off"},
                "listener soft": {"listen": f"0.0.0.0:{optional}", "mode": "optional"},
                "listener other": {
                    "listen": [f"*:{other}"], **self.pair(self.other, "other"), "ca": self.pki.second_ca.cert,
                    "crl": self.pki.second_ca.write_crl(self.home / "second.crl"),
                },
            }
        )
        server = self.grafted(Nginx, ini, more_ports=(off, optional, other))
        for version in VERSIONS:
            for number, host in enumerate(HOSTS):
                with self.subTest(version=version, host=host):
                    self.assert_refused(self.probe(server, version, host=host), self.injected)
                    self.assert_served(server, self.probe(server, version, self.good, host), self.injected, host)
                    result = self.probe(server, version, host=host, port=off)
                    self.assert_served(server, result, server.own[number], host)
                    self.assertFalse(result.asked)
                    result = self.probe(server, version, host=host, port=optional)
                    self.assert_served(server, result, self.injected, host)
                    result = self.probe(server, version, self.second, host, port=optional)
                    self.assert_refused(result, self.injected)
                    result = self.probe(server, version, self.second, host, port=other)
                    self.assert_served(server, result, self.other, host)
                    result = self.probe(server, version, self.good, host, port=other)
                    self.assert_refused(result, self.other)

    def test_without_a_server_section_only_named_listeners_are_governed(self):
        governed = free_port()
        ini = self.ini({"listener api": {"listen": f"127.0.0.1:{governed}", **self.mutual(self.injected)}})
        server = self.grafted(Nginx, ini, "ec", more_ports=(governed,))
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assert_refused(self.probe(server, version, port=governed), self.injected)
                result = self.probe(server, version, self.good, port=governed)
                self.assert_served(server, result, self.injected)
                self.assert_served(server, self.probe(server, version), server.own[0])
        tree = self.graft.status(server.pid)
        self.assertIn(f"127.0.0.1:{server.port}", [entry["listen"] for entry in tree["ungoverned"]])

    def test_sni(self):
        """A section for one name, on the servers with two virtual hosts; an unknown name gets the listener's."""
        for kind in (Nginx, Apache, Haproxy, PythonSsl):
            ini = self.ini(
                {
                    "server": self.mutual(self.injected),
                    "sni shop": {
                        "names": [HOSTS[1].upper() + "."], **self.pair(self.other, "other"), "ca": self.pki.second_ca.cert,
                        "crl": self.pki.second_ca.write_crl(self.home / "second.crl"),
                    },
                }
            )
            server = self.grafted(kind, ini)
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    self.assert_served(server, self.probe(server, version, self.good), self.injected)
                    self.assert_refused(self.probe(server, version, self.second), self.injected)
                    result = self.probe(server, version, self.second, HOSTS[1])
                    self.assert_served(server, result, self.other, HOSTS[1])
                    self.assert_refused(self.probe(server, version, self.good, HOSTS[1]), self.other)
                    self.assert_refused(self.probe(server, version, host=HOSTS[1]), self.other)
            server.stop()

    def test_sni_wildcard_and_exact(self):
        third = self.pki.server("ec", 8)
        ini = self.ini(
            {
                "server": self.mutual(self.injected),
                "sni wild": {"names": "*.Shop.example", **self.pair(self.other, "other")},
                "sni exact": {"names": "a.shop.example", **self.pair(third, "third")},
            }
        )
        server = self.grafted(Nginx, ini)
        cases = {
            "a.shop.example": third, "A.SHOP.EXAMPLE": third, "b.shop.example": self.other,
            "a.b.shop.example": self.injected, "shop.example": self.injected, None: self.injected,
        }
        for version in VERSIONS:
            for name, expected in cases.items():
                with self.subTest(version=version, name=name):
                    result = client.probe(server.port, server.request(HOSTS[0]), version, client=self.good, sni=name)
                    self.assert_served(server, result, expected)

    def test_sni_in_every_form(self):
        """A lenient name beside the strict rest: what is not exactly that name, once, is not served under it."""
        ini = self.ini(
            {
                "server": self.mutual(self.injected),
                "sni lax": {"names": "lax.example", "mode": "server", **self.pair(self.other, "other")},
            }
        )
        lax, strict = self.other.leaf_sha256, self.injected.leaf_sha256
        names = {
            b"lax.example": lax, b"LAX.exAMPLE": lax, b"lax.example.": lax, b"127.0.0.1": strict, b"[::1]": strict,
            b"lax.example..": strict, b".lax.example": strict, b"*.example": strict, b"lax": strict, b"xlax.example": strict,
            b"lax.example:443": strict, b" lax.example": strict, b"": None, b"l\xc3\xa4x.example": strict, b"a" * 255: strict,
        }
        bodies = {sni.name_list(name): (name, expected) for name, expected in names.items()}
        for body in (
            sni.name_list(b"lax.example", b"one.example"), sni.name_list(b"one.example", b"lax.example"),
            sni.name_list(b"lax.example", b"lax.example"), sni.name_list(b"lax.example\0"),
            sni.name_list(b"lax.example\0.one.example"), sni.name_list(b"\0lax.example"), sni.name_list(b"a" * 256),
            sni.name_list(b"lax.example", kind=1), sni.name_list(b"lax.example") + b"x", sni.name_list(b"lax.example")[:-1],
            b"", b"\0", b"\0\0",
        ):
            bodies[body] = (body, None)
        for kind in (Nginx, HaproxySeveral):
            server = self.grafted(kind, ini)
            self.assertEqual(sni.shown(server.port, sni.hello_with(None)), strict)
            for body, (name, expected) in bodies.items():
                with self.subTest(server=kind.name, name=name):
                    found = sni.shown(server.port, sni.hello_with(body))
                    if expected:
                        self.assertEqual(found, expected)
                    else:
                        self.assertNotEqual(found, lax)
            server.stop()

    def test_another_host_than_the_name(self):
        """What the README says of each server where a lenient name is asked for in SNI and a strict host in the request."""
        ini = self.ini({"server": self.mutual(self.injected), "sni lax": {"names": HOSTS[1], "mode": "server"}})
        for kind, tells_apart in ((Apache, True), (Nginx, False), (Haproxy, False), (Lighttpd, False)):
            server = self.grafted(kind, ini)
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    result = client.probe(server.port, server.request(HOSTS[0]), version, sni=HOSTS[1])
                    self.assertEqual(server.is_answer(result.data, HOSTS[0]), not tells_apart, str(result))
                    self.assertEqual(b" 421 " in result.data[:20], tells_apart, str(result))
            server.stop()

    def test_sni_on_one_listener_only(self):
        port = free_port()
        ini = self.ini(
            {
                "server": self.mutual(self.injected),
                "listener api": {"listen": f"127.0.0.1:{port}"},
                "sni shop": {"names": HOSTS[1], "listener": "api", **self.pair(self.other, "other")},
            }
        )
        server = self.grafted(Nginx, ini, more_ports=(port,))
        for version in VERSIONS:
            result = self.probe(server, version, self.good, HOSTS[1], port=port)
            self.assert_served(server, result, self.other, HOSTS[1])
            result = self.probe(server, version, self.good, HOSTS[1])
            self.assert_served(server, result, self.injected, HOSTS[1])

    def test_sessions_do_not_cross_names(self):
        """A session of the lenient host brings nothing at the strict one."""
        ini = self.ini(
            {
                "server": self.mutual(self.injected),
                "sni open": {"names": HOSTS[1], "mode": "optional"},
            }
        )
        for kind in (Nginx, Apache, PythonSsl, Haproxy):
            server = self.grafted(kind, ini)
            for version in VERSIONS:
                with self.subTest(server=kind.name, version=version):
                    session = self.home / f"{kind.name}{version}"
                    result = self.probe(server, version, host=HOSTS[1], session_out=session)
                    self.assert_served(server, result, self.injected, HOSTS[1])
                    self.assert_refused(self.probe(server, version, session_in=session), self.injected)
            server.stop()

    def test_allow(self):
        names = "DNS:client.example, URI:spiffe://example/ns/web/front, IP:10.1.2.3, email:me@mail.example"
        who = self.pki.ca.issue("a client", "client", names=names)
        rules = {
            f"URI:{URI_GOOD}": True, "URI:spiffe://example/ns/*": True, "URI:spiffe://example/ns/web/front/*": False,
            f"URI:{URI_OTHER}": False, "DNS:CLIENT.example": True, "DNS:*.example": True, "DNS:example": False,
            "CN:a client": True, "CN:A client": False, "IP:10.1.0.0/16": True, "IP:10.2.0.0/16": False,
            "EMAIL:me@MAIL.example": True, "EMAIL:Me@mail.example": False, f"SHA256:{who.leaf_sha256}": True,
            f"SHA256:{self.good.leaf_sha256}": False,
        }
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected)}))
        for rule, allowed in rules.items():
            with self.subTest(rule=rule):
                self.ini({"server": self.mutual(self.injected, allow=["CN:nobody", rule])})
                self.assert_reloaded(server)
                result = self.probe(server, TLS13, who)
                if allowed:
                    self.assert_served(server, result, self.injected)
                else:
                    self.assert_refused(result, self.injected)

    def test_reasons_are_counted(self):
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected)}))
        for version in VERSIONS:
            for who in (None, *self.pki.clients.values()):
                self.probe(server, version, who)
        section = self.graft.status(server.pid)["sections"][0]
        self.assertEqual(section["name"], "server")
        self.assertEqual(section["mode"], "mutual")
        counted = {reason: count for reason, count in section["refused_by"].items() if count}
        expected = ("no_certificate", "unknown_ca", "expired", "not_yet_valid", "revoked", "not_allowed")
        self.assertEqual(counted, {reason: 2 for reason in expected})
        self.assertEqual(section["handshakes"]["accepted"], 2)
        self.assertEqual(section["handshakes"]["refused"], 12)
        served = section["certificates"][0]
        self.assertEqual(served["sha256"].replace(":", "").lower(), self.injected.leaf_sha256)
        self.assertEqual(served["serial"].lower().lstrip("0"), self.injected.serial().lstrip("0"))

    def test_min_protocol(self):
        ini = self.ini({"server": self.mutual(self.injected, min_protocol="TLSv1.3")})
        for kind in SERVERS:
            server = self.grafted(kind, ini)
            with self.subTest(server=kind.name):
                self.assert_refused(self.probe(server, TLS12, self.good), self.injected)
                self.assert_served(server, self.probe(server, TLS13, self.good), self.injected)
            server.stop()

    def test_the_floor_holds_on_a_method_of_one_version(self):
        """Where libssl's setter says yes and the connection happens all the same (a TLS 1.2 method, a limits of 1.3)."""
        ini = self.ini({"server": self.mutual(self.injected, min_protocol="TLSv1.3")})
        server = self.grafted(PythonSsl, ini, method="PROTOCOL_TLSv1_2")
        self.assert_refused(self.probe(server, TLS12, self.good))
        self.assert_refused(self.probe(server, TLS13, self.good))
        server.stop()
        ini = self.ini({"server": self.mutual(self.injected, min_protocol="TLSv1.2")})
        server = self.grafted(PythonSsl, ini, method="PROTOCOL_TLSv1_2")
        self.assert_refused(self.probe(server, TLS12), self.injected)
        self.assert_served(server, self.probe(server, TLS12, self.good), self.injected)

    def test_a_hello_retry_request(self):
        """The client guesses a group that we do not take: both callbacks run twice, the verdict is one."""
        ini = self.ini({"server": self.mutual(self.injected, groups="P-256")})
        for kind in SERVERS:
            server = self.grafted(kind, ini)
            with self.subTest(server=kind.name):
                more = ["-groups", "X25519:P-256"]
                for _ in range(2):
                    self.assert_served(server, self.probe(server, TLS13, self.good, more=more), self.injected)
                    self.assert_refused(self.probe(server, TLS13, more=more), self.injected)
                self.assert_refused(self.probe(server, TLS13, self.good, more=["-groups", "X25519"]))
                section = self.graft.status(server.pid)["sections"][0]
                self.assertEqual(section["handshakes"]["accepted"], 2)
                self.assertEqual(section["refused_by"]["no_certificate"], 2)
            server.stop()

    def test_max_protocol_and_ciphers(self):
        limits = {"max_protocol": "TLSv1.2", "ciphers": "ECDHE-RSA-AES256-GCM-SHA384"}
        ini = self.ini({"server": self.mutual(self.injected, **limits)})
        server = self.grafted(Nginx, ini)
        self.assert_refused(self.probe(server, TLS13, self.good))
        self.assert_served(server, self.probe(server, TLS12, self.good), self.injected)
        other = self.probe(server, TLS12, self.good, more=["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"])
        self.assert_refused(other)

    def test_the_stricter_floor_counts(self):
        """A server that demands TLS 1.3 itself is not opened to 1.2 by ours, unless override says so."""
        for override, served in (("no", False), ("yes", True)):
            ini = self.ini({"server": self.mutual(self.injected, min_protocol="TLSv1.2", override=override)})
            server = self.make(Haproxy)
            config = server.home / "haproxy.cfg"
            config.write_text(config.read_text().replace("ssl-min-ver TLSv1.2", "ssl-min-ver TLSv1.3"))
            server.start(wrap=self.graft.run(ini), environment=self.graft.environment())
            with self.subTest(override=override):
                self.assert_served(server, self.probe(server, TLS13, self.good), self.injected)
                result = self.probe(server, TLS12, self.good)
                if served:
                    self.assert_served(server, result, self.injected)
                else:
                    self.assert_refused(result)
            server.stop()

    def test_a_crl_for_every_ca(self):
        """With one CRL missing the start is refused."""
        ini = self.ini({"server": self.mutual(self.injected, ca=[self.pki.ca.cert, self.pki.second_ca.cert])})
        server = self.make(Nginx)
        server.start(wrap=self.graft.run(ini), wait=False)
        self.assertEqual(server.process.wait(10), 78, server.logs())
        self.assertIn("Second Test CA", server.output.read_text())

    def test_a_stale_crl_refuses(self):
        end = time.time() + 4
        crl = self.pki.ca.write_crl(self.home / "short.crl", seconds=4)
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected, crl=crl)}))
        self.assert_served(server, self.probe(server, who=self.good), self.injected)
        procs.wait_until(lambda: time.time() > end + 1, 10, "the CRL's next update")
        for version in VERSIONS:
            self.assert_refused(self.probe(server, version, self.good), self.injected)
        refused = self.graft.status(server.pid)["sections"][0]["refused_by"]
        self.assertEqual(refused["crl_stale"], 2, refused)
        self.ini({"server": self.mutual(self.injected)})
        self.assert_reloaded(server)
        self.assert_served(server, self.probe(server, who=self.good), self.injected)

    def test_crl_check_of_the_chain(self):
        """A revoked CA between the client and ours counts under `chain`, not under `leaf`."""
        between = Authority(self.home / "between", "Revoked Intermediate CA", parent=self.pki.ca)
        who = self.pki.client(between)
        self.pki.ca.revoke(Credential(between.key, between.cert))
        crls = [self.pki.ca.write_crl(self.home / "ca.crl"), between.write_crl(self.home / "between.crl")]
        cas = [self.pki.ca.cert, between.cert]
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected, ca=cas, crl=crls)}))
        self.assert_served(server, self.probe(server, who=who), self.injected)
        self.ini({"server": self.mutual(self.injected, ca=cas, crl=crls, crl_check="chain")})
        self.assert_reloaded(server)
        self.assert_refused(self.probe(server, who=who), self.injected)
        self.assert_served(server, self.probe(server, who=self.good), self.injected)

    def test_verify_depth(self):
        between = Authority(self.home / "depth", "Intermediate CA", parent=self.pki.ca)
        who = self.pki.client(between)
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected, crl=None, verify_depth=1)}))
        self.assert_served(server, self.probe(server, who=who), self.injected)
        self.ini({"server": self.mutual(self.injected, crl=None, verify_depth=0)})
        self.assert_reloaded(server)
        self.assert_refused(self.probe(server, who=who), self.injected)
        self.assert_served(server, self.probe(server, who=self.good), self.injected)

    def test_renewed_crl_by_reload(self):
        who = self.pki.client(self.pki.ca)
        crl = self.home / "ca.crl"
        crl.write_bytes(self.pki.crl.read_bytes())
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected, crl=crl)}))
        self.assert_served(server, self.probe(server, who=who), self.injected)
        self.pki.ca.revoke(who)
        self.pki.ca.write_crl(crl)
        self.assert_reloaded(server)
        self.assert_refused(self.probe(server, who=who), self.injected)
        self.assert_served(server, self.probe(server, who=self.good), self.injected)
