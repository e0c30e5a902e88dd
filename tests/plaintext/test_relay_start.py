# SPDX-License-Identifier: Apache-2.0
"""A relay that cannot be started, or does not live: what needs it is closed and counted at once, with the cause in the log
and in `status`; what does not need it is served; and when it can be started it is, in the running tree."""

import contextlib
import os
import signal
import sys
from pathlib import Path

from support.live import Bare, Live
from support.procs import wait_until

from plaintext.listener import PING, PONG, Listener
from plaintext.stores import Redis

FORBIDS = Path(__file__).resolve().parents[1] / "support" / "forbids.py"
CLOSED = "connections that need it are closed"


class RelayStart(Listener):
    def setUp(self):
        super().setUp()
        self.own = self.graft.copy_to(self.home / "installed")
        self.program = self.own.keeper.with_name("tlsgraft-relay")

    def begin(self, wrap=(), sections=None, **keys):
        self.server = self.make(Redis)
        self.log = self.home / "keeper.log"
        self.write({"tlsgraft": {"log": self.log}, **(sections or {})}, **{"engine": "relay", **keys})
        words = [*wrap, *self.own.run(self.home / "site.ini")]
        self.server.start(wrap=words, environment=self.graft.environment())

    def status(self):
        done = self.own.command("status", "--json", self.server.pid)
        return done.returncode, self.own.tree_of(done)

    def failure(self):
        return self.status()[1]["keeper"].get("relay_failure", "")

    def closed(self):
        return self.status()[1]["sections"][0]["plaintext"]["closed"]

    def lines(self, text):
        return [line for line in self.log.read_text().splitlines() if text in line]

    def assert_down(self, cause):
        """Whoever comes is closed at once, in or out of TLS, and that is said once."""
        wait_until(lambda: cause in self.failure(), 10, f"{cause} in {self.failure()!r}")
        code, tree = self.status()
        self.assertEqual(code, 1)
        self.assertNotIn("relay", tree["keeper"])
        said = self.own.command("status", self.server.pid)
        self.assertEqual(said.returncode, 1)
        self.assertIn("no relay, so connections that need it are closed", said.stdout)
        self.assertIn(cause, said.stdout)
        before = self.closed()
        for _ in range(5):
            with Bare(self.server.port) as client:
                self.assertEqual(client.ask(b""), b"")
                self.assertTrue(client.over)
        self.assertEqual(self.closed(), before + 5)
        (line,) = self.lines(cause)
        self.assertIn(CLOSED, line)

    def served(self):
        try:
            with Live(self.server.port, self.good) as client:
                return client.ask(PING, lambda data: data == PONG) == PONG
        except OSError:
            return False

    def assert_up(self):
        wait_until(self.served, 20, "a relay")
        self.assertEqual(self.status()[0], 0)
        self.assertEqual(len(self.lines("the relay runs again")), 1)

    def test_no_file(self):
        away = self.program.rename(self.program.with_name("elsewhere"))
        self.begin()
        self.assert_down("install it beside tlsgraft-keeper")
        away.rename(self.program)
        self.assert_up()

    def test_mode(self):
        self.program.chmod(0o644)
        self.begin()
        self.assert_down("Permission denied: it needs mode 755")
        self.program.chmod(0o755)
        self.assert_up()

    def test_mode_later(self):
        """It serves, and cannot be started again."""
        self.begin()
        self.assertTrue(self.served())
        self.program.chmod(0)
        os.kill(self.status()[1]["keeper"]["relay"], signal.SIGKILL)
        self.assert_down("Permission denied")
        self.program.chmod(0o755)
        self.assert_up()

    def test_another_program(self):
        """One that ends at once, whatever it is."""
        self.program.unlink()
        self.program.write_bytes(Path("/bin/false").read_bytes())
        self.program.chmod(0o755)
        self.begin()
        self.assert_down("it ended with status 1")

    def test_forbidden_call(self):
        self.begin(wrap=[sys.executable, FORBIDS, "capset"])
        self.assert_down("killed by a seccomp filter (SIGSYS)")

    def test_dies(self):
        """As soon as it serves, again and again."""
        self.begin()
        for _ in range(1000):
            _, tree = self.status()
            if "relay_failure" in tree["keeper"]:
                break
            if "relay" in tree["keeper"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(tree["keeper"]["relay"], signal.SIGKILL)
        self.assertIn("dies again and again: killed by signal 9", self.failure())
        self.assertEqual(len(self.lines("dies again and again")), 1)
        # it may be the next one's turn already, which serves or not
        with Bare(self.server.port) as client:
            client.ask(b"x")
            self.assertTrue(client.over)
        wait_until(self.served, 20, "a relay")
        # who died that often is not believed at once
        self.assertEqual(self.status()[0], 1)

    def test_the_others(self):
        """Who needs none is served, and nothing of what a server says first is lost."""
        self.program.chmod(0o644)
        self.begin(engine="auto")
        wait_until(self.failure, 10, "a failure")
        self.assertTrue(self.served())
        self.assertEqual(self.closed(), 0)
