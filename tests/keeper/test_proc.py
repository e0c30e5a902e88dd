# SPDX-License-Identifier: Apache-2.0
"""Without /proc nothing is found: that is what is said, not that something else is missing."""

import os
import subprocess

from case import Case
from site_folder import PYTHON, clean_environment

NOBODY = 65534
MISSING = "/proc is not mounted here, or is hidden from this process"
SERVES = "import ssl; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); print('served')"
# A sanitizer's runtime reads its options from /proc, and looks for leaks by it: without, it ends the program itself.
SANITIZED = "ASAN_OPTIONS" in os.environ


class Proc(Case):
    def without(self, *words, mount="mount -t tmpfs none /proc", **variables):
        """A command in a mount namespace of its own, in which something was done to /proc."""
        script = mount + ' && exec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *map(str, words)],
            capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL,
            env={**clean_environment(), **variables},
        )

    def test_commands(self):
        if SANITIZED:
            return
        for status, *words in (
            (126, "run", "-c", self.site.ini, "--", PYTHON, "-c", SERVES),
            (126, "doctor", PYTHON),
            (126, "doctor", os.getpid()),
            (70, "status"),
            (70, "status", "--json", os.getpid()),
            (70, "reload", os.getpid()),
        ):
            with self.subTest(words[0]):
                done = self.without(self.site.cli, *words)
                self.assert_exit(done, status, MISSING)
                self.assertNotIn("No such file", done.stderr)
                self.assertEqual(done.stdout, "")
        self.assert_exit(self.without(self.site.cli, "status", "--help"), 0, "usage")
        self.assert_exit(self.without(self.site.cli, "check", self.site.ini), 0)

    def test_a_start_by_hand(self):
        """It is not started, and says why."""
        if SANITIZED:
            return
        shim = self.site.build / "lib" / "libtlsgraft.so"
        done = self.without(PYTHON, "-c", SERVES, LD_PRELOAD=str(shim), TLSGRAFT_CONFIG=str(self.site.ini))
        self.assertNotIn("served", done.stdout)
        self.assertIn(MISSING, done.stderr)

    def test_hidden_processes(self):
        """Who may not see a process is not told that there is none."""
        server = self.site.start()
        drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        hide = "mount -t proc -o hidepid=invisible proc /proc"
        done = self.without(*drop, self.site.cli, "status", server.pid, mount=hide)
        self.assert_exit(done, 2, "may not be looked at by this user")
        done = self.without(*drop, self.site.cli, "doctor", server.pid, mount=hide)
        self.assert_exit(done, 126, "hidden from this user")
