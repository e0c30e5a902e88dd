# SPDX-License-Identifier: Apache-2.0
"""Connections that get into a server by every other way: no data for who has no valid certificate, by either engine."""

import socket
import ssl

from support.case import ServerCase
from support.client import TLS12, TLS13
from support.live import Bare, Live
from support.procs import wait_until

from attack.catalogue import Notes, Row
from attack.entrances import ENTRANCES

_VERSIONS = {TLS12: ssl.TLSVersion.TLSv1_2, TLS13: ssl.TLSVersion.TLSv1_3}
_ALERT = 21


def _is_data(data):
    """Of a bare connection: an alert is none."""
    return bool(data) and not (data[0] == _ALERT and len(data) <= 7)


class _Hasty:
    """A server without descriptors lets clients wait."""

    @staticmethod
    def open(port, source):
        return socket.create_connection(("127.0.0.1", port), timeout=2, source_address=(source, 0))


class _Bare(_Hasty, Bare):
    pass


class _Live(_Hasty, Live):
    pass


class Entrances(ServerCase):
    def bare(self, entrance, request):
        try:
            with _Bare(entrance.port) as client:
                return client.ask(request, lambda data: entrance.proof in data, seconds=2)
        except OSError:
            return b""

    def by_tls(self, entrance, who, version):
        try:
            with _Live(entrance.port, who, version=_VERSIONS[version]) as client:
                return client.ask(entrance.request, lambda data: entrance.proof in data, seconds=3)
        except (ssl.SSLError, OSError):
            return b""

    def steps(self, entrance):
        """(name, TLS version, what came)"""
        if entrance.greets:
            yield "nothing is said", TLS12, lambda: self.bare(entrance, b"")
        yield "the request in plaintext", TLS12, lambda: self.bare(entrance, entrance.request)
        for version in _VERSIONS:
            for name, who in (("no certificate", None), ("a certificate of the wrong CA", self.pki.clients["wrong CA"])):
                yield name, version, lambda who=who, version=version: self.by_tls(entrance, who, version)

    def note(self, entrance, name, version, data, success):
        how = f"{data[:80]!r}" if success else "no data"
        Notes.write(Row(f"entrance: {name}", version, entrance.label, how, success=success))
        return success

    def prove(self, kind):
        """The same steps in plaintext, where nothing is in the way."""
        entrance = kind()
        home = self.home / f"{kind.label}-plain"
        home.mkdir()
        entrance.begin(home, lambda port: ([], {}))
        try:
            for name, version, step in self.steps(entrance):
                if name in ("nothing is said", "the request in plaintext"):
                    proof = kind.proof in step()
                    self.assertTrue(proof, f"{kind.label}: {name}")
                    Notes.write(Row(f"entrance: {name}", version, kind.label, "", proof=proof, wants_proof=True))
        finally:
            entrance.end()

    def govern(self, port, engine):
        self.ini({"listener given": {
            "listen": f"127.0.0.1:{port}", "server_speaks": "plaintext", "engine": engine, **self.mutual(self.pki.server("rsa")),
        }})
        return self.graft.run(self.home / "site.ini"), self.graft.environment()

    def crowd(self, entrance):
        """Connections that say nothing, as many as the server has descriptors for, or more."""
        crowd = []
        try:
            while entrance.scarce and len(crowd) < 6:
                crowd.append(_Bare(entrance.port))
        except OSError:
            pass
        return crowd

    def right_client(self, entrance, engine):
        for version in _VERSIONS:
            if engine == "direct" and entrance.is_stdio:
                self.assertEqual(self.by_tls(entrance, self.pki.clients["good"], version), b"", "a dead end")
                continue
            wait_until(
                lambda version=version: entrance.proof in self.by_tls(entrance, self.pki.clients["good"], version), 10,
                f"{entrance.label} serves the right client over TLS {version}",
            )

    def attack(self, kind, engine):
        entrance = kind()
        home = self.home / f"{kind.label}-{engine}"
        home.mkdir()
        entrance.begin(home, lambda port: self.govern(port, engine))
        stolen = False
        try:
            crowd = self.crowd(entrance)
            for name, version, step in self.steps(entrance):
                data = step()
                success = _is_data(data)
                stolen = self.note(entrance, name, version, data, success) or stolen
                if crowd:
                    crowd.pop().close()
            for one in crowd:
                one.close()
            if entrance.scarce:
                entrance.relieve()
            self.right_client(entrance, engine)
        finally:
            entrance.end()
        self.assertFalse(stolen, f"{kind.label}: see the table")


def _test(kind):
    def test(case):
        case.prove(kind)
        for engine in ("auto", "direct", "relay") if kind.is_stdio else ("direct", "relay"):
            with case.subTest(engine):
                case.attack(kind, engine)

    return test


for _kind in ENTRANCES:
    setattr(Entrances, "test_" + _kind.label.replace("-", "_").lower(), _test(_kind))
