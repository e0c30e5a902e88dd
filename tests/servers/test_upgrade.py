# SPDX-License-Identifier: Apache-2.0
"""A newer tlsgraft put over the running one: what the server starts from then on has the new shim and is governed."""

import os
import re
import signal
import subprocess
from pathlib import Path

from support import procs
from support.case import ServerCase
from support.live import Live
from support.procs import wait_until
from support.upgrade import install, of_layout, own_layout

from servers.haproxy import Haproxy
from servers.nginx import Nginx

BEGIN, END = b"GET / HTTP/1.1\r\nHost: ", b"one.example\r\n\r\n"
ANSWER = b"server-data one.example\n"


class Upgrade(ServerCase):
    def setUp(self):
        super().setUp()
        self.prefix = self.home / "installed"
        self.built = self.graft.build
        self.injected, self.renewed = self.pki.server("rsa"), self.pki.server("rsa", 1)
        self.good = self.pki.clients["good"]

    def begin(self, kind):
        """A server under the installed product, and a connection in the midst of a request (servers close idle ones)."""
        self.graft = install(self.built, self.prefix)
        ini = self.ini({"server": self.mutual(self.injected)})
        server = self.daemon(ini) if kind is Nginx else self.grafted(kind, ini)
        connection = Live(server.port, self.good)
        self.addCleanup(connection.close)
        connection.socket.sendall(BEGIN)
        return server, connection

    def daemon(self, ini):
        """nginx in the foreground does not upgrade itself."""
        server = self.make(Nginx, daemon=True)
        done = subprocess.run(
            [str(word) for word in [*self.graft.run(ini), *server.command()]], capture_output=True, text=True, timeout=10,
            check=False, stdin=subprocess.DEVNULL, env={**os.environ, **self.graft.environment()},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        server.pid = wait_until(lambda: int((server.home / "nginx.pid").read_text().strip() or 0), 5, "nginx.pid")
        self.end_with(server.pid)
        wait_until(server.is_ready, 5, "the daemon")
        return server

    def end_with(self, master):
        self.addCleanup(lambda: [procs.kill(pid) for pid in [master, *procs.descendants(master)]])

    def assert_answered(self, connection):
        self.assertTrue(connection.ask(END, lambda data: data.endswith(ANSWER)).endswith(ANSWER), "no answer")

    def has_new_shim(self, pid):
        """The file that is installed now is mapped, not the one before, which has lost its name."""
        number = str(os.stat(self.graft.shim).st_ino)
        shims = [line.split() for line in procs.maps(pid).splitlines() if "libtlsgraft.so" in line]
        return bool(shims) and all(words[4] == number for words in shims)

    def keeper(self, server):
        status = self.graft.status(server.pid)
        self.assertTrue(status["keeper"]["alive"])
        return status["keeper"]["pid"]

    def governed(self, server, pids):
        """Every process has the new shim, and what is served is ours: before and after a renewal."""
        for pid in pids:
            self.assertTrue(self.has_new_shim(pid), f"{pid}: {procs.command_line(pid)}")
        for credential in (self.renewed, self.injected):
            self.pair(credential)
            self.assert_reloaded(server)
            self.all_workers_serve(server, credential, self.good, 6)
            self.assert_refused(self.probe(server), credential)
        status = self.graft.status(server.pid)
        self.assertLessEqual(set(pids), {process["pid"] for process in status["processes"]})

    @staticmethod
    def waits_for_signals(master):
        """HAProxy's master executes itself once its first worker runs, too; a signal in the midst of that is lost."""
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{master}/status").read_text(), re.M)[1]
        return b"HAPROXY_MWORKER_REEXEC=" in Path(f"/proc/{master}/environ").read_bytes() and (
            int(caught, 16) >> (signal.SIGUSR2 - 1) & 1
        )

    def haproxy(self, build):
        server, connection = self.begin(Haproxy)
        keeper, before = self.keeper(server), set(server.workers())
        wait_until(lambda: self.waits_for_signals(server.pid), 10, "the master in its own wait mode")
        self.graft = install(build, self.prefix)
        procs.kill(server.pid, signal.SIGUSR2)  # the master executes itself, and starts a worker anew
        wait_until(lambda: set(server.workers()) - before, 10, "a new worker")
        wait_until(server.is_ready, 10, "the new worker accepts")
        wait_until(lambda: self.has_new_shim(server.pid), 10, "the new shim in the master")
        self.governed(server, [server.pid, *(set(server.workers()) - before)])
        self.assert_answered(connection)
        after = self.keeper(server)
        connection.close()
        for pid in before:
            self.gone(pid, 15)
        return keeper, after

    def nginx(self, build):
        server, connection = self.begin(Nginx)
        keeper, old = self.keeper(server), server.pid
        before = {old, *server.workers()}
        self.graft = install(build, self.prefix)
        procs.kill(old, signal.SIGUSR2)

        def new_master():
            return [pid for pid in server.workers() if pid not in before and procs.user_ids(pid)[:1] == [0]]

        server.pid = wait_until(new_master, 10, "a new master")[0]
        self.end_with(server.pid)
        wait_until(lambda: len(server.workers()) == server.worker_count, 10, "its workers")
        procs.kill(old, signal.SIGQUIT)
        wait_until(lambda: set(server.workers()) - before, 10, "new workers")
        self.assert_answered(connection)
        connection.close()
        for pid in before:
            self.gone(pid, 10)
        self.governed(server, [server.pid, *server.workers()])
        after = self.keeper(server)
        procs.kill(server.pid, signal.SIGTERM)
        self.gone(server.pid, 10)
        return keeper, after

    def test_to_the_next_layout(self):
        """It reads the layout before its own: the tree and its keeper stay."""
        build = of_layout(own_layout() + 1)
        for upgraded in (self.haproxy, self.nginx):
            with self.subTest(server=upgraded.__name__):
                before, after = upgraded(build)
                self.assertEqual(before, after)

    def test_beyond_the_next_layout(self):
        """It does not read that: the keeper beside it starts a tree of its own, and the old keeper ends with the old workers."""
        build = of_layout(own_layout() + 2)
        for upgraded in (self.haproxy, self.nginx):
            with self.subTest(server=upgraded.__name__):
                before, after = upgraded(build)
                self.assertNotEqual(before, after)
                self.gone(before, 5)
