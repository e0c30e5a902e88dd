# SPDX-License-Identifier: Apache-2.0
"""Every column of one plaintext server: started plainly and under tlsgraft, side by side."""

import hashlib
import os
import ssl
import subprocess

from support.case import Context, ServerCase
from support.live import Bare, Live
from support.ports import free_port
from support.procs import wait_until

from plaintext import page
from plaintext.server import Tunnel, talked

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
SOURCES = {"1.2": "127.0.0.12", "1.3": "127.0.0.13"}  # the client's address, one for each version
REFUSED = {"none": "no_certificate", "wrong CA": "unknown_ca", "expired": "expired"}
ALERT = 21


class Row(ServerCase):
    keys = {}  # of the listener, beside those that every row has
    on_page = True

    def row(self, kind, **options):
        self.kind = kind
        self.cells = {"version": kind.version(), "notes": kind.notes}
        self.good = self.pki.clients["good"]
        self.serving, self.fresh = self.pki.server("rsa"), self.pki.server("ec", 1)
        self.accepted = 0
        steps = (
            self.measure_same_bytes, self.measure_address, self.measure_program, self.measure_refusals,
            self.measure_plaintext_client, self.measure_renewal, self.measure_status,
        )
        try:
            self.plain = self.make(kind, **options).start(wait=False)
            self.server = self.governed(kind, **options)
            self.silent = None if kind.serial else self.plaintext_client()
            self.plain.wait_ready()
            for step in steps:
                if self.server.process.poll() is not None:
                    self.fail(f"{self.server.name} ended with status {self.server.process.returncode}")
                with self.subTest(step.__name__):
                    step()
            self.assertTrue(self.server.stop(), "the server did not end by itself")
        finally:
            if self.on_page:
                page.PART.leave(Context.results, self.id().rpartition(".")[2], kind.heading(), self.cells)

    def governed(self, kind, **options):
        server = self.make(kind, **options)
        ini = self.ini({
            "tlsgraft": {"reload_signal": kind.reload_signal},
            "listener plain": {
                "listen": f"127.0.0.1:{server.port}", "server_speaks": "plaintext", **self.mutual(self.serving), **kind.keys, **self.keys,
            },
        })
        options = ("--user", kind.run_user) if kind.run_user else ()
        if kind.run_user:
            server.give_to(kind.run_user)
        return server.start(wrap=self.graft.run(ini, *options), environment=self.graft.environment())

    # connections

    def connected(self, make, server):
        """`make()`, where a server of one connection each may be about to listen again."""
        if self.kind.serial:
            wait_until(server.is_ready, 10, f"{server.name} listens")
        return make()

    def by_tls(self, version, who, source="127.0.0.1"):
        made = self.connected(lambda: Live(self.server.port, who, version=VERSIONS[version], source=source), self.server)
        self.addCleanup(made.close)
        return made

    def plaintext_client(self):
        made = self.connected(lambda: Bare(self.server.port), self.server)
        self.addCleanup(made.close)
        return made

    def from_plain(self):
        """What the plainly started server answers."""
        if not hasattr(self, "_expected"):
            with self.connected(lambda: Bare(self.plain.port), self.plain) as connection:
                answers, end = talked(connection, self.plain.talk())
            said = b"".join(answers)
            self.assertTrue(self.kind.proof in said, f"from the plainly started server: {said[:300]!r}")
            self._expected = [self.plain.same(answer) for answer in answers], end
        return self._expected

    def assert_same(self, server, answers, end):
        expected, how = self.from_plain()
        for number, (answer, right) in enumerate(zip(answers, expected, strict=True)):
            self.assert_bytes(server.same(answer), right, f"answer {number}")
        self.assertEqual(end, how, "the end of the connection")

    def assert_bytes(self, found, right, what):
        """As assertEqual, and short where they are long."""
        if found != right:
            at = len(os.path.commonprefix([found, right]))
            shown = f"{found[at : at + 60]!r} instead of {right[at : at + 60]!r}"
            self.fail(f"{what}: {len(found)} bytes instead of {len(right)}, at {at}: {shown}")

    # columns

    def measure_same_bytes(self):
        self.said = {}
        for version in VERSIONS:
            with self.by_tls(version, self.good, SOURCES[version]) as connection:
                self.assertEqual(connection.socket.version(), f"TLSv{version}")
                answers, end = talked(connection, self.server.talk())
                self.accepted += 1
                self.said[version] = b"".join(answers)
                self.assert_same(self.server, answers, end)
                self.assertEqual(self.leaf(connection), self.serving.leaf_sha256)
            self.cells[f"TLS {version}"] = "same bytes"

    def measure_address(self):
        for version, address in SOURCES.items():
            wait_until(lambda: self.server.shows(address, self.said[version]), 5, f"{address} in the {self.kind.address_in}")
        self.cells["client address"] = f"right, in its {self.kind.address_in}"

    def measure_program(self):
        tls = self.good, self.pki.ca.cert
        expected = self.program(self.plain, self.plain.port, None)
        self.assertEqual(expected.returncode, 0, f"in plaintext: {expected.stderr[-300:]!r}")
        if self.kind.by_socat:
            with Tunnel(free_port(), self.server.port, tls) as tunnel:
                done = self.program(self.server, tunnel.port, None)
        else:
            done = self.program(self.server, self.server.port, tls)
        self.assertEqual(done.returncode, expected.returncode, f"through TLS: {done.stderr[-300:]!r}")
        self.assert_bytes(self.server.same(done.stdout), self.plain.same(expected.stdout), f"{done.stderr[-300:]!r}")
        self.assertGreater(len(expected.stdout), 0)
        self.cells["client program"] = f"same: {self.kind.client}{', by socat' if self.kind.by_socat else ''}"

    def program(self, server, port, tls):
        if self.kind.serial:
            wait_until(server.is_ready, 10, f"{server.name} listens")
        words = [str(word) for word in server.words(port, tls)]
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False, cwd=self.home)

    def measure_refusals(self):
        request = b"".join(question for question, _ in self.server.talk())
        for name in REFUSED:
            for version in VERSIONS:
                data = self.refused(version, self.pki.clients.get(name), request)
                self.assertEqual(len(data), 0, f"{name}, TLS {version}: {data[:60]!r}")
            self.cells[name] = "refused"

    def refused(self, version, who, request):
        """Application bytes for a client without a right certificate, which sends all its requests."""
        try:
            connection = self.by_tls(version, who)
        except OSError:
            return b""
        data = connection.ask(request)
        self.assertTrue(connection.over, "the connection goes on")
        connection.close()
        return data

    def measure_plaintext_client(self):
        connection = self.plaintext_client()
        data = connection.ask(b"".join(question for question, _ in self.server.talk()) or b"\r\n")
        self.assertTrue(connection.over, "the connection goes on")
        connection.close()
        self.assert_no_data(data)
        if self.silent:
            data = b""
            self.silent.socket.setblocking(False)
            try:
                while piece := self.silent.socket.recv(65536):
                    data += piece
            except OSError:
                pass
            self.silent.close()
            self.assert_no_data(data)
        self.cells["plaintext"] = "refused"

    def assert_no_data(self, data):
        """Nothing but whole records of TLS that are alerts."""
        at = 0
        while at < len(data):
            self.assertEqual(data[at], ALERT, f"a plaintext client got {data[:60]!r}")
            size = int.from_bytes(data[at + 3 : at + 5], "big")
            self.assertEqual((data[at + 1], size), (3, 2), f"a plaintext client got {data[:60]!r}")
            at += 5 + size
        self.assertEqual(at, len(data), f"a plaintext client got {data[:60]!r}")

    @staticmethod
    def leaf(connection):
        return hashlib.sha256(connection.socket.getpeercert(binary_form=True)).hexdigest()

    def measure_renewal(self):
        """In the middle of the first request, or after the greeting of a server that speaks first."""
        (question, end), *rest = self.server.talk()
        half = len(question) // 2
        with self.by_tls("1.3", self.good) as connection:
            self.accepted += 1
            if question:
                connection.socket.sendall(question[:half])
                talk, before = [(question[half:], end), *rest], []
            else:
                talk, before = rest, talked(connection, [(question, end)])[0]
            self.pair(self.fresh)
            self.assert_reloaded(self.server)
            answers, how = talked(connection, talk)
            self.assert_same(self.server, before + answers, how)
            self.cells["running connection"] = "kept"
        with self.by_tls("1.3", self.good) as connection:
            self.accepted += 1
            self.assertEqual(self.leaf(connection), self.fresh.leaf_sha256)
            self.assert_same(self.server, *talked(connection, self.server.talk()))
        self.cells["renewal"] = "yes"

    def measure_status(self):
        refused = len(VERSIONS)

        def section():
            return self.graft.status(self.server.pid)["sections"][0]

        def counted():
            found = section()
            reasons = {name: found["refused_by"][reason] for name, reason in REFUSED.items()}
            return found["handshakes"]["accepted"] >= self.accepted and set(reasons.values()) == {refused}

        wait_until(counted, 5, f"{self.accepted} accepted and {refused} of each refusal in {section()}")
        self.cells["status"] = "right"
        found = section()["plaintext"]
        self.assertEqual(found["closed"], 0, f"connections that no engine could carry: {found}")
        # one that begins in the direct engine and goes over to the relay counts in both
        used = "relay" if found["relayed"] else "direct"
        self.assertGreaterEqual(found["relayed"] or found["direct"], self.accepted, str(found))
        self.assertEqual(used, self.kind.engine, str(found))
        self.cells["engine"] = used
