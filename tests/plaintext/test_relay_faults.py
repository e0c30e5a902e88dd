# SPDX-License-Identifier: Apache-2.0
"""The relay killed, out of descriptors, crowded, spoken to by untrusted processes; its keeper killed. Nothing leaves in plaintext."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from support import procs
from support.live import Bare, Live
from support.procs import wait_until

from plaintext.listener import PING, Listener

UNTRUSTED = Path(__file__).resolve().parents[1] / "support" / "untrusted_relay.py"
NOBODY = 65534


class RelayFaults(Listener):
    def begin(self, **keys):
        self.start(engine="relay", **keys)
        self.answers(self.by_tls())

    def relay(self):
        return self.graft.status(self.server.pid)["keeper"].get("relay")

    def tree(self):
        """The name, as the relay was given it."""
        return Path(f"/proc/{self.relay()}/cmdline").read_text().split("\0")[1]

    def assert_serves(self):
        with Live(self.server.port, self.good) as connection:
            self.answers(connection)

    def assert_broken(self, connection):
        """It ends, without the server's close_notify, and without a byte."""
        self.assertEqual(connection.ask(PING), b"")
        self.assertTrue(connection.broken)

    def test_killed(self):
        self.begin()
        for _ in range(3):
            old, pid = self.by_tls(), self.relay()
            self.answers(old)
            half = self.bare()  # in the middle of a handshake
            os.kill(pid, signal.SIGKILL)
            self.assert_broken(old)
            self.assert_shut_out(half)
            wait_until(lambda pid=pid: self.relay() not in (None, pid), 5, "another relay")
            self.assert_serves()
        self.assertEqual(self.server.process.poll(), None)

    def test_stopped(self):
        """Connections wait for it; then they are served."""
        self.begin()
        pid = self.relay()
        os.kill(pid, signal.SIGSTOP)
        try:
            waiting = Bare(self.server.port)
        finally:
            os.kill(pid, signal.SIGCONT)
        waiting.close()
        self.assert_serves()
        self.assertEqual(self.relay(), pid)

    def test_keeper_killed(self):
        self.begin()
        relay, keeper = self.relay(), self.graft.status(self.server.pid)["keeper"]["pid"]
        old = self.by_tls()
        self.answers(old)
        os.kill(keeper, signal.SIGKILL)
        self.gone(relay)
        self.assert_broken(old)
        self.assert_shut_out(self.bare())
        self.assertEqual(self.server.process.poll(), None)

    def test_signals_of_the_server(self):
        """What its manager sends to the server's session is not for the relay."""
        self.begin()
        relay = self.relay()
        self.assertNotEqual(os.getsid(relay), os.getsid(self.server.pid))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGPIPE):
            os.kill(relay, number)
        self.assert_serves()
        self.assertEqual(self.relay(), relay)

    def test_out_of_descriptors(self):
        self.begin()
        relay = self.relay()
        used = procs.descriptors(relay)
        before = resource.prlimit(relay, resource.RLIMIT_NOFILE)
        resource.prlimit(relay, resource.RLIMIT_NOFILE, (used + 8, before[1]))
        served, refused = [], 0
        for _ in range(12):
            try:
                connection = Live(self.server.port, self.good)
            except OSError:
                refused += 1
                continue
            self.opened(connection)
            served.append(connection)
        self.assertGreater(refused, 5)
        self.assertGreater(len(served), 0)
        for connection in served:
            self.answers(connection)
        resource.prlimit(relay, resource.RLIMIT_NOFILE, before)
        self.assert_serves()
        self.assertEqual(self.relay(), relay)

    def test_many(self):
        self.begin()
        relay = self.relay()
        descriptors = procs.descriptors(relay)
        context = Live.make_context(self.good)
        before = procs.memory_kib(relay)
        many = [self.opened(Live(self.server.port, context=context)) for _ in range(1000)]
        for connection in many:
            self.answers(connection)
        wait_until(lambda: procs.memory_kib(relay) - before <= 1000 * 32, 5, f"32 KiB each: {procs.memory_kib(relay) - before} KiB")
        for connection in many:
            connection.close()
        wait_until(lambda: procs.descriptors(relay) <= descriptors, 10, "all descriptors closed")

    def test_untrusted(self):
        self.begin()
        relay = self.relay()
        old = self.by_tls()
        descriptors = procs.descriptors(relay)
        words = [sys.executable, UNTRUSTED, self.tree(), self.server.port, 1]
        with subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=NOBODY, group=NOBODY,
            extra_groups=[],
        ) as untrusted:
            self.assertEqual(untrusted.stdout.readline(), "0 done\n")
            self.answers(old)
            self.assert_serves()
            untrusted.stdin.close()
        self.assertEqual(untrusted.returncode, 0)
        self.assertEqual(self.relay(), relay)
        wait_until(lambda: procs.descriptors(relay) <= descriptors, 5, "nothing of theirs is kept")

    def test_confined(self):
        self.begin()
        status = Path(f"/proc/{self.relay()}/status").read_text()
        for line in ("CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
            self.assertIn(line, status)
        self.assertIn("Seccomp:\t2", status)

    def test_ends_with_the_tree(self):
        self.begin()
        relay = self.relay()
        open_one = self.by_tls()
        self.answers(open_one)
        self.assertTrue(self.server.stop())
        self.gone(relay, 5)
