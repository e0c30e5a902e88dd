# SPDX-License-Identifier: Apache-2.0
"""What a program executes after it has forgotten its environment is grafted, by whichever function it does so."""

import re
from pathlib import Path

from support import procs
from support.build import compiled
from support.case import Context, ServerCase
from support.live import Bare, Live
from support.server import Server

# glibc 2.39's, for what comes before it: executes with the environment that it is given, by no other hook.
PIDFD_SPAWN = """
#include <sys/syscall.h>
#include <unistd.h>
static int spawned(const char *path, char *const argv[], char *const envp[])
{
	pid_t child = vfork();
	long r;
	if (child == 0) {
		__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_execve), "D"(path), "S"(argv), "d"(envp) : "rcx", "r11", "memory");
		_exit(127);
	}
	return child < 0 ? 11 : 0;
}
int pidfd_spawn(int *fd, const char *path, const void *a, const void *b, char *const argv[], char *const envp[])
{
	(void)fd, (void)a, (void)b;
	return spawned(path, argv, envp);
}
int pidfd_spawnp(int *fd, const char *path, const void *a, const void *b, char *const argv[], char *const envp[])
{
	return pidfd_spawn(fd, path, a, b, argv, envp);
}
"""

NOT_EXECUTED = {"wordexp"}  # its commands stand inside the words, where nothing can be put before them


class Executing(Server):
    name = "executing"
    executable = "/bin/sh"

    def __init__(self, home, own, native=None, way="execve"):
        self.way = way
        super().__init__(home, own, native)

    def configure(self):
        pass

    def command(self):
        return [Context.graft.build / "tests" / "executing", self.port, self.way]

    def is_ready(self):
        return procs.listening(self.port) or "wordexp " in self.output.read_text()


def ways():
    source = Path(__file__).with_name("executing.c").read_text()
    return re.findall(r'^    \{"(.+?)", by_', source, re.M)


class Execution(ServerCase):
    def served(self, way, graft):
        """What a client without TLS gets, and the right client, of a server that was executed by `way`."""
        server = self.make(Executing, way=way)
        section = {"listen": f"127.0.0.1:{server.port}", "server_speaks": "plaintext", **self.mutual(self.pki.server("ec"))}
        ini = self.ini({"listener executing": section})
        library = str(compiled(PIDFD_SPAWN, "-shared", "-fPIC", name="pidfd_spawn.so"))
        environment = self.graft.environment()
        environment["LD_PRELOAD"] = ":".join(filter(None, [environment.get("LD_PRELOAD"), library]))
        server.start(wrap=self.graft.run(ini) if graft else (), environment=environment)
        if not procs.listening(server.port):
            return b"", b""
        with Bare(server.port) as client:
            bare = client.ask(b"GET / HTTP/1.0\r\n\r\n" if graft else b"q")
        if not graft:
            return bare, b""
        with Live(server.port, self.pki.clients["good"]) as client:
            right = client.ask(b"q", lambda data: b"\n" in data)
        return bare, right

    def test_every_way(self):
        for way in ways():
            with self.subTest(way):
                expected = b"" if way in NOT_EXECUTED else b"LEAK\n"
                self.assertEqual(self.served(way, True), (b"", expected))

    def test_the_hole_is_real(self):
        """Without the shim each of them brings the data."""
        for way in ways():
            with self.subTest(way):
                self.assertEqual(self.served(way, False)[0], b"LEAK\n")
