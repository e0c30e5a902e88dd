# SPDX-License-Identifier: Apache-2.0
"""What a program finds at its start, and who gets no policy: programs that a preload must not disturb."""

import os
import pwd
import subprocess

from support import procs
from support.build import compiled
from support.case import ServerCase
from support.live import Bare, Live
from support.ports import free_port
from support.server import Server

MANY = 1000  # ports of one section
NAME = "daemon"  # a user whom no section names


class Dictd(Server):
    """Measures its title from argv[0] to the end of the last string of its environment."""

    name = "dictd"
    executable = "/usr/sbin/dictd"

    def configure(self):
        (self.home / "t.dict").write_text("hello\n  a greeting\n")
        (self.home / "t.index").write_text("hello\tA\tT\n")
        (self.home / "dictd.conf").write_text(
            f"global {{\n port {self.port}\n listen_to 127.0.0.1\n}}\naccess {{\n allow *\n}}\n"
            f"database t {{\n data {self.home}/t.dict\n index {self.home}/t.index\n}}\n"
        )

    def command(self):
        return [self.executable, "-c", self.home / "dictd.conf", "-d", "nodetach"]

    def is_ready(self):
        return procs.listening(self.port)


# Listens on each port that it is given, serves one client of each, as a user who gets no policy.
DROPPED = """
import os, select, socket, sys
name, ports = sys.argv[1], sys.argv[2:]
os.setgid({gid}); os.setuid({uid})
if name == "drop":
    os.execv(sys.executable, [sys.executable, "-c", open({path!r}).read(), "serve", *ports])
listeners = [socket.create_server(("127.0.0.1", int(port))) for port in ports]
while True:
    for ready in select.select(listeners, [], [])[0]:
        try:
            with ready.accept()[0] as client:
                client.sendall(b"SECRET")
        except OSError:
            pass
"""


class Dropped(Server):
    name = "dropped"
    executable = "/usr/bin/python3"

    def __init__(self, home, own, native=None, ports=()):
        self.ports = ports
        super().__init__(home, own, native)
        self.port = ports[-1]

    def configure(self):
        entry = pwd.getpwnam(NAME)
        self.program = self.home / "program.py"
        self.program.write_text(DROPPED.format(uid=entry.pw_uid, gid=entry.pw_gid, path=str(self.program)))

    def command(self):
        return [self.executable, self.program, "drop", *self.ports]

    def is_ready(self):
        return all(procs.listening(port) for port in self.ports)


class Starts(ServerCase):
    def section(self, ports, **changes):
        return {
            "listener x": {
                "listen": [f"127.0.0.1:{port}" for port in ports], "server_speaks": "plaintext",
                **self.mutual(self.pki.server("ec")), **changes,
            }
        }

    def started(self, ini):
        """As `run` starts a program, and by hand, with a file of a relative name."""
        yield "run", {"wrap": self.graft.run(ini), "environment": self.graft.environment()}
        yield "by hand", {"environment": {**self.graft.preload(ini), "TLSGRAFT_CONFIG": os.path.relpath(ini, self.home)}}

    def test_dictd(self):
        for how in (0, 1):
            server = self.make(Dictd)
            name, options = list(self.started(self.ini(self.section([server.port]))))[how]
            with self.subTest(name):
                if how == 1:
                    options["environment"]["TLSGRAFT_CONFIG"] = os.path.relpath(self.home / "site.ini", server.home)
                server.start(**options)
                with Bare(server.port) as client:
                    self.assertEqual(client.ask(b"DEFINE t hello\r\n"), b"")
                with Live(server.port, self.pki.clients["good"]) as client:
                    self.assertIn(b"a greeting", client.ask(b"DEFINE t hello\r\n", lambda data: b"250 ok" in data))

    def test_argv_environment_and_auxiliary_vector_lie_as_the_kernel_put_them(self):
        program = compiled("layout.c")
        ini = self.ini(self.section([free_port()]))
        alone = subprocess.run([program], capture_output=True, text=True, timeout=20, check=True).stdout
        self.assertEqual(alone, "environment after argv: 1\nauxiliary vector after it: 1\ngaps between strings: 0\n")
        for name, options in self.started(ini):
            with self.subTest(name):
                done = subprocess.run(
                    [str(word) for word in [*options.get("wrap", ()), program]], capture_output=True, text=True, timeout=20,
                    check=False, env={**os.environ, **options["environment"]}, cwd=self.home,
                )
                self.assertEqual((done.returncode, done.stdout), (0, alone), done.stderr)

    def test_an_allocator_that_is_not_ready(self):
        library = str(compiled("early_allocator.c", "-shared", "-fPIC"))
        ini = self.ini(self.section([free_port()]))
        for name, options in self.started(ini):
            with self.subTest(name):
                environment = options["environment"]
                environment["LD_PRELOAD"] = ":".join(filter(None, [environment.get("LD_PRELOAD"), library]))
                done = subprocess.run(
                    [str(word) for word in [*options.get("wrap", ()), compiled("layout.c")]], capture_output=True, text=True,
                    timeout=20, check=False, env={**os.environ, **environment}, cwd=self.home,
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("before it was ready", done.stderr)

    def test_many_ports_and_no_policy(self):
        """However many there are: a program executed by a user who gets none serves nobody on them, and all others."""
        with_policy = [free_port() for _ in range(3)]
        other = free_port()
        base = 20000
        ports = [port for port in range(base, base + 2 * MANY, 2) if port not in with_policy and port != other]
        listening = [port for port in (ports[0], ports[681], ports[682], ports[-1]) if not procs.listening(port)]
        server = self.make(Dropped, ports=[*with_policy, *listening, other])
        server.start(
            wrap=self.graft.run(self.ini(self.section([*with_policy, *ports]))), environment=self.graft.environment()
        )
        for port in [*with_policy, *listening]:
            with self.subTest(port), Bare(port) as client:
                self.assertEqual(client.ask(b""), b"")
        with Bare(other) as client:
            self.assertEqual(client.ask(b""), b"SECRET")

    def test_an_empty_config_is_none(self):
        """As for the command line: the program is left alone."""
        environment = {**os.environ, **self.graft.preload(None), "TLSGRAFT_CONFIG": ""}
        done = subprocess.run([compiled("layout.c")], capture_output=True, text=True, timeout=20, check=False, env=environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
