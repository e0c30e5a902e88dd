# SPDX-License-Identifier: Apache-2.0
"""Servers that try to undo the policy, and a server of many threads: programs of tests/shim, in one process each."""

import re

from support import hostile, procs
from support.case import ServerCase
from support.pki import URI_OTHER
from support.ports import free_port
from support.symbolic import symbolic_libssl


class Hostile(ServerCase):
    under_asan = True

    def start(self, name, *words, mode="mutual", keys=None, sections=None, libraries=None, **more):
        """A program of tests/shim under `tlsgraft run`."""
        ini = self.ini({"server": self.mutual(self.pki.server("rsa"), mode=mode, **(keys or {})), **(sections or {})})
        folder = self.home / "certs"
        if not folder.exists():
            hostile.certificates(self.pki, folder)
        return hostile.start(self.graft, ini, folder, name, *words, libraries=libraries, **more)

    def run_named(self, name, libraries=None):
        """One of support/hostile.py: what it said."""
        program, words, mode, keys, sections = hostile.RUNS[name]
        process = self.start(program, *words, mode=mode, keys=keys, sections=sections, libraries=libraries)
        output = process.communicate(timeout=120)[0]
        self.assertEqual(process.returncode, 0, output)
        self.assertNotIn("FAIL", output)
        return output

    def everything(self, name, least):
        self.assertGreater(self.run_named(name).count("\nok "), least)

    def test_nothing_undoes_mutual(self):
        self.everything("hostile mutual", 300)

    def test_nothing_undoes_the_certificate(self):
        self.everything("hostile server", 60)

    def test_nothing_around_a_handshake_undoes_mutual(self):
        self.everything("after", 17)

    def each(self, name, ways):
        """Each way alone (tests/shim/ways_*.c), at the moment when it would count."""
        self.assertRegex(self.run_named(name), rf"(?m)^{ways} ways, [0-9]+ checks, 0 failures$")

    def test_no_way_undoes_mutual(self):
        self.each("late mutual", 47)

    def test_no_way_undoes_the_certificate(self):
        self.each("late server", 24)

    def test_no_way_undoes_the_protocol(self):
        self.each("late limits", 11)

    def starved(self, whose, least, *versions):
        for version in versions:
            process = self.start("starved", whose, version)
            output = process.communicate(timeout=120)[0]
            self.assertEqual(process.returncode, 0, output)
            counts = [int(count) for count in re.findall(r"^style \d: (\d+) allocations$", output, re.M)]
            self.assertGreaterEqual(min(counts), least, output)

    def test_without_memory_nobody_is_let_in(self):
        """Each allocation of the shim fails in turn, whatever call finishes the handshake; then each one of the process."""
        self.starved("shim", 2, "2", "3")
        self.starved("all", 500, "3")

    test_without_memory_nobody_is_let_in.under_asan = False  # which has an allocator of its own

    def test_a_libssl_that_calls_itself_directly(self):
        """Its functions do not come through our hooks when they call each other."""
        (self.home / "libraries").mkdir()
        symbolic_libssl(self.home / "libraries")
        for name in hostile.RUNS:
            with self.subTest(run=name):
                self.run_named(name, self.home / "libraries")

    def reuse(self, what, sections, *ports):
        program = self.start("reuse", what, *ports, sections=sections)
        output = program.communicate(timeout=60)[0]
        self.assertEqual(program.returncode, 0, output)
        self.assertNotIn("FAIL", output)
        self.assertGreaterEqual(output.count("ok  "), 3, output)

    def test_another_name_after_a_retry(self):
        self.reuse("retry", {"sni public": {"names": "one.example", "mode": "server"}}, 0, 0)

    def test_one_ssl_for_several_listeners(self):
        off, mutual = free_port(), free_port()
        self.reuse("pool", {"listener off": {"listen": f"127.0.0.1:{off}", "mode": "off"}}, off, mutual)

    def test_two_listeners_are_read_before_a_handshake(self):
        """By a server that gives libssl no descriptor, when a client says the same on both, once in SSLv2's form."""
        off, mutual = free_port(), free_port()
        self.reuse("late", {"listener off": {"listen": f"127.0.0.1:{off}", "mode": "off"}}, off, mutual)

    def test_threads_while_generations_change(self):
        self.threads(lambda reloads: self.pair(self.pki.server(("rsa", "ec")[reloads % 2], 1)))

    def test_threads_while_live_connections_are_judged_again(self):
        """Each generation has another digest, so every certificate is verified again, and every one is good."""

        def change(reloads):
            keys = self.mutual(self.pki.server("rsa"), recheck="new-generation", verify_depth=8 + reloads % 2)
            self.ini({"server": keys})

        self.threads(change, sections={"server": self.mutual(self.pki.server("rsa"), recheck="new-generation")})

    def test_a_thread_that_is_cancelled_ends_a_connection(self):
        """None of our locks goes with it."""
        keys = {"recheck": "new-generation"}
        program = self.start("cancel", keys=keys, input=True)
        self.addCleanup(program.kill)
        for line in program.stdout:
            if line == "ready\n":
                break
        self.ini({"server": self.mutual(self.pki.server("rsa"), allow=f"URI:{URI_OTHER}", **keys)})
        self.assert_reloaded(program)
        output = program.communicate("\n", timeout=60)[0]
        self.assertEqual(program.returncode, 0, output)
        self.assertIn("cancelled\n", output)
        self.assertNotIn("FAIL", output)

    # a cancelled thread's end is itself a fault to the sanitizer's runtime, which the unwinding has left behind
    test_a_thread_that_is_cancelled_ends_a_connection.under_asan = False

    def threads(self, change, **options):
        program = self.start("threads", 8, 250, **options)
        reloads = 0
        procs.wait_until(lambda: self.graft.status(program.pid) is not None or program.poll() is not None, 10, "the tree")
        while program.poll() is None:
            change(reloads)
            done = self.graft.reload(program.pid)
            if done.returncode != 0:
                break  # the program has ended meanwhile, or the next lines say what was wrong
            reloads += 1
        output = program.communicate(timeout=120)[0]
        self.assertEqual(program.returncode, 0, output)
        self.assertIn("wrong 0", output)
        self.assertGreater(reloads, 3, "too few reloads to mean anything")

    # What threads do wrong is for TSan, which runs it too (tests/run.sh).
    test_threads_while_generations_change.under_asan = False
    test_threads_while_live_connections_are_judged_again.under_asan = False
