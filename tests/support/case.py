# SPDX-License-Identifier: Apache-2.0
"""What the tests of real servers share."""

import shutil
import unittest
from pathlib import Path

from support import client, procs
from support.graft import write_ini
from support.pki import ALLOW, HOSTS, Pki


class Context:
    """Of one run: the build under test, a folder, one PKI."""

    graft = None
    home = None
    results = None  # a folder for what tests leave to the end of the run
    _pki = None

    @classmethod
    def pki(cls):
        if cls._pki is None:
            cls._pki = Pki(cls.home / "pki")
        return cls._pki


class ServerCase(unittest.TestCase):
    """Servers that a test makes are stopped after it; their last log lines are printed where it failed."""

    maxDiff = 2000
    under_asan = False  # of a class or of one test: also run with a sanitized shim inside the servers

    def setUp(self):
        self.graft = Context.graft
        self.pki = Context.pki()
        self.home = Path(Context.home) / self.id().rpartition("servers.")[2].replace("/", "_")
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.servers = []

    def tearDown(self):
        failed = not self._outcome.success
        for server in self.servers:
            logs = server.logs() if failed else ""
            server.stop()
            if logs:
                print(f"  logs of {server.name}:\n{logs}", end="")
            for path in server.home.glob("*.log"):
                said = path.read_text(errors="replace")
                self.assertNotIn("ERROR: AddressSanitizer", said)
                self.assertNotIn("runtime error: ", said)

    def make(self, kind, own="rsa", **options):
        """A server with one certificate of its own for each of its virtual hosts; not started."""
        own_pairs = [self.pki.own(own, host) for host in HOSTS[: kind.hosts]]
        server = kind(self.home / f"{kind.name}{len(self.servers)}", own_pairs, **options)
        self.servers.append(server)
        return server

    def grafted(self, kind, ini, own="rsa", run_options=(), **options):
        """A server started by `tlsgraft run -c INI`; `ini` may be a function of the server, which knows its port."""
        server = self.make(kind, own, **options)
        ini = ini(server) if callable(ini) else ini
        if kind.run_user:
            server.give_to(kind.run_user)
            run_options = (*run_options, "--user", kind.run_user)
        server.start(wrap=self.graft.run(ini, *run_options), environment=self.graft.environment())
        if self.graft.sanitizer:
            # a server that executes itself has no libraries for a moment
            procs.wait_until(lambda: "libasan" in procs.maps(server.pid), 5, "the sanitizer in the server")
        return server

    def pair(self, credential, stem="server"):
        """Copies a credential to fixed names in this test's folder, each replaced in one step, as a renewal does."""
        cert, key = self.home / f"{stem}.pem", self.home / f"{stem}.key"
        for source, target, mode in ((credential.key, key, 0o600), (credential.cert, cert, 0o644)):
            fresh = target.with_suffix(".fresh")
            shutil.copyfile(source, fresh)
            fresh.chmod(mode)
            fresh.replace(target)
        return {"cert": cert, "key": key}

    def mutual(self, credential, stem="server", **changes):
        """The keys of a section with every rule that `mutual` knows."""
        return {
            "mode": "mutual", **self.pair(credential, stem), "ca": self.pki.ca.cert, "crl": self.pki.crl, "allow": ALLOW,
            **changes,
        }

    def ini(self, sections, name="site.ini"):
        return write_ini(self.home / name, sections)

    # expectations

    def probe(self, server, version=client.TLS13, who=None, host=HOSTS[0], port=None, **options):
        options = {"client": who, "sni": host, "until": server.is_whole, **server.probe_options, **options}
        result = client.probe(port or server.port, server.request(host), version, **options)
        self.assertNotEqual(result.status, "timeout", str(result))
        return result

    def assert_served(self, server, result, injected, host=HOSTS[0], resumed=False):
        """The whole answer came, under the certificates of `injected` (leaf and chain, exactly)."""
        self.assertTrue(server.is_answer(result.data, host), f"expected the answer for {host}: {result}")
        self.assertEqual(result.resumed, resumed, str(result))
        if not resumed:
            self.assertEqual(result.chain_sha256, injected.chain_sha256, f"served chain: {result}")

    def assert_refused(self, result, injected=None):
        """Not one byte of the server's data; what it showed of itself, if anything, is `injected`."""
        self.assertEqual(result.data, b"", f"expected no data: {result}")
        if injected is not None and result.chain_sha256:
            self.assertEqual(result.chain_sha256, injected.chain_sha256, f"served chain: {result}")

    def assert_reloaded(self, server):
        done = self.graft.reload(server.pid)
        self.assertEqual(done.returncode, 0, f"reload: {done.stdout}{done.stderr}")
        return done

    def assert_reload_refused(self, server, *words):
        done = self.graft.reload(server.pid)
        self.assertEqual(done.returncode, 1, f"reload should be refused: {done.stdout}{done.stderr}")
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)
        return done

    def all_workers_serve(self, server, injected, who, connections=24, version=client.TLS13):
        """Many new connections, so that every worker is met: all of them serve `injected`."""
        for _ in range(connections):
            self.assert_served(server, self.probe(server, version, who), injected)

    def gone(self, pid, seconds=3.5):
        procs.wait_until(lambda: not procs.alive(pid), seconds, f"end of process {pid}")
