# SPDX-License-Identifier: Apache-2.0
"""What every test of this folder stands on."""

import time
import unittest

from support.case import Context

from site_folder import Site, alive, kill, wait_until


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.site = Site(Context.graft.build)
        self.addCleanup(self.site.close)

    def sanitized(self):
        """True where the build's programs carry AddressSanitizer, whose runtime keeps freed memory for a while."""
        return b"__asan_init" in (Context.graft.build / "bin" / "tlsgraft").read_bytes()

    def gone(self, *pids, seconds=3.0):
        began = time.monotonic()
        for pid in pids:
            wait_until(lambda pid=pid: not alive(pid), seconds - (time.monotonic() - began), f"end of process {pid}")

    def assert_exit(self, done, status, *words):
        self.assertEqual(done.returncode, status, f"{done.stdout}{done.stderr}")
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)

    def end(self, process, *keepers):
        """Ends a server; its keeper follows."""
        kill(process.pid)
        process.wait()
        self.gone(*keepers)
