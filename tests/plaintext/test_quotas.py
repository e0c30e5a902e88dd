# SPDX-License-Identifier: Apache-2.0
"""What has room for so many and no more: one client, or one local user, that takes all of it pushes out its own."""

import contextlib
import subprocess
import sys
from pathlib import Path

from support.live import Bare, Live

from plaintext.listener import PING, PONG, Listener
from plaintext.test_first import GREETING, FirstCase

CROWD = Path(__file__).resolve().parents[1] / "support" / "crowd.py"
NOBODY, SOMEBODY = 65534, 54321
DESCRIPTORS = 400  # a hundred clients without a verdict
MANY = 300


class Clients(FirstCase):
    def test_silent_clients(self):
        """More of them than the relay has descriptors for, from one address. From another one, one was there before."""
        server = self.started("closes", "auto", wrap=["prlimit", f"--nofile={DESCRIPTORS}", "--"])
        slow = self.enterContext(contextlib.closing(Bare(server.port, source="127.0.0.2")))
        silent = [self.enterContext(contextlib.closing(Bare(server.port))) for _ in range(MANY)]
        # the same address may come in, too: it pushes out the oldest of those
        self.served(server, GREETING)
        context = Live.make_context(self.pki.clients["good"])
        with context.wrap_socket(slow.socket, suppress_ragged_eofs=False) as client:
            self.assertEqual(client.recv(100), GREETING)
        self.assertTrue(silent[0].ended())
        self.assertFalse(silent[-1].ended())


class Users(Listener):
    def crowd(self, user, name, kind, count):
        """A process of that user that connects when it is told."""
        words = [sys.executable, str(CROWD), name, kind, str(count)]
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=user, group=user, extra_groups=[]
        )
        self.addCleanup(process.__exit__, None, None, None)
        self.addCleanup(process.stdin.close)
        return process

    def tell(self, process, word):
        process.stdin.write(word + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def one(self, suffix, kind, count, settle):
        self.start(engine="relay")
        pid = self.graft.status(self.server.pid)["keeper"]["relay"]
        tree = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[1]
        name = f"tlsgraft/{tree}{suffix}"
        first, many = self.crowd(SOMEBODY, name, kind, 1), self.crowd(NOBODY, name, kind, count)
        self.assertEqual(self.tell(first, "open"), "opened")
        self.assertEqual(self.tell(many, "open"), "opened")
        # heard after all of them
        settle()
        self.assertEqual(self.tell(first, "look"), "1")
        self.assertLess(int(self.tell(many, "look")), count)

    def test_callers_of_the_relay(self):
        self.one("/relay", "SOCK_STREAM", 300, lambda: self.answers(self.by_tls(), PING, PONG))

    def test_callers_of_the_keeper(self):
        self.one("", "SOCK_SEQPACKET", 40, lambda: self.graft.status(self.server.pid))
