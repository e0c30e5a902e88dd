# SPDX-License-Identifier: Apache-2.0
"""Servers that take away from themselves what they do not need: the policy holds, and renewals arrive all the same."""

from pathlib import Path

from support import procs
from support.build import compiled
from support.case import ServerCase
from support.client import VERSIONS
from support.server import Server

WAYS = ("loop", "fork", "clone", "thread", "context", "squat")
CONDITIONS = (
    ("descriptors", "environ"),
    ("chroot", "user"),
    ("user", "nproc"),
    ("nofile",),
    ("as",),
    ("no_new_privs",),
    ("seccomp",),
    ("descriptors", "environ", "as", "chroot", "nproc", "nofile", "user", "no_new_privs", "seccomp"),
)
ALLOCATORS = ("libjemalloc.so.2", "libtcmalloc_minimal.so.4")


class Sandboxed(Server):
    name = "sandboxed"
    executable = "/bin/true"  # replaced by what is compiled

    def __init__(self, home, own, native=None, way="loop", conditions=()):
        self.way, self.conditions = way, conditions
        self.executable = compiled("shim/sandboxed.c", "-lssl", "-lcrypto", "-lpthread")
        super().__init__(home, own, native)

    def configure(self):
        pass

    def command(self):
        return [self.executable, self.port, self.home / "own0.pem", self.home / "own0.key", self.way, *self.conditions]

    def request(self, host):
        return b"hello\n"

    def is_answer(self, data, host):
        return data == b"sandboxed-data\n"


class SandboxedServers(ServerCase):
    def holds(self, server):
        """Bad clients are refused, the good one is served, before and after a renewal, by a process that lives on."""
        for number, injected in enumerate((self.old, self.new)):
            if number:
                self.pair(injected)
                self.assert_reloaded(server)
            for version in VERSIONS:
                for name in ("none", "wrong CA", "revoked"):
                    self.assert_refused(self.probe(server, version, self.pki.clients.get(name)), injected)
                session = self.home / f"session{number}{version}"
                result = self.probe(server, version, self.pki.clients["good"], session_out=session)
                self.assert_served(server, result, injected)
                again = self.probe(server, version, self.pki.clients["good"], session_in=session)
                self.assert_served(server, again, injected, resumed=server.way != "context")
        self.assertTrue(procs.alive(server.pid))

    def everything(self, **options):
        self.old, self.new = self.pki.server("rsa"), self.pki.server("ec", 1)
        plain = self.make(Sandboxed, **options).start()
        self.assert_served(plain, self.probe(plain), plain.own[0])
        plain.stop()
        server = self.grafted(Sandboxed, self.ini({"server": self.mutual(self.old)}), **options)
        self.holds(server)
        server.stop()

    def test_ways(self):
        for way in WAYS:
            with self.subTest(way=way):
                self.everything(way=way)

    test_ways.under_asan = True

    def test_conditions(self):
        for conditions in CONDITIONS:
            with self.subTest(conditions=conditions):
                self.everything(conditions=conditions)

    def test_ways_under_conditions(self):
        for way, conditions in (
            ("fork", ("descriptors", "environ", "user", "as")), ("clone", ("chroot", "user", "nofile")),
            ("thread", ("descriptors", "environ", "user")), ("context", ("environ", "no_new_privs")),
        ):
            with self.subTest(way=way, conditions=conditions):
                self.everything(way=way, conditions=conditions)

    def test_allocators_of_the_servers_own(self):
        """Preloaded after the shim, as their users do: they look up symbols before any constructor runs."""
        self.old, self.new = self.pki.server("rsa"), self.pki.server("ec", 1)
        for name in ALLOCATORS:
            path = Path("/usr/lib/x86_64-linux-gnu") / name
            for way in ("fork", "thread"):
                with self.subTest(allocator=name, way=way):
                    server = self.make(Sandboxed, way=way)
                    environment = self.graft.environment()
                    environment["LD_PRELOAD"] = ":".join(filter(None, [environment.get("LD_PRELOAD"), str(path)]))
                    server.start(wrap=self.graft.run(self.ini({"server": self.mutual(self.old)})), environment=environment)
                    self.assertIn(name, procs.maps(server.pid))
                    self.holds(server)
                    server.stop()
                    self.pair(self.old)
