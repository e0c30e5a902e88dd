# SPDX-License-Identifier: Apache-2.0
"""The report memory in the hands of a hostile process: what the keeper says stays JSON, and what it does stays right."""

import json
import subprocess
import sys
from pathlib import Path

from support import procs
from support.build import compiled

from faults.case import FaultCase
from servers.nginx import Nginx

ROOT = Path(__file__).resolve().parent.parent.parent

# a process that takes long to look at: many small mappings
MANY_MAPPINGS = """
import mmap, sys
kinds = (mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE)
kept = [mmap.mmap(-1, 4096, prot=kinds[number % 2]) for number in range(30000)]
print("ready", flush=True)
sys.stdin.read()
"""


class Report(FaultCase):
    def setUp(self):
        super().setUp()
        ini = self.ini({"server": self.mutual(self.pairs[0])})
        self.server = self.grafted(Nginx, ini)
        self.before = self.family(self.server)

    def write(self, *what):
        subprocess.run([compiled("garbage.c", f"-I{ROOT}"), str(self.server.pid), *map(str, what)], check=True)

    def sane(self):
        """Of the right shape, whatever the numbers are; the section that there is, with the certificate that is served."""
        done = self.graft.command("status", "--json", self.server.pid)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        trees = json.loads(done.stdout)
        self.assertEqual(len(trees), 1)
        tree = trees[0]
        self.assertEqual(tree["keeper"], {"pid": self.before[0], "alive": True})
        self.assertEqual([section["name"] for section in tree["sections"]], ["server"])
        leaf = tree["sections"][0]["certificates"][0]["sha256"]
        self.assertIn(leaf, [pair.leaf_sha256 for pair in self.pairs])
        for counted in (*tree["sections"][0]["handshakes"].values(), *tree["sections"][0]["refused_by"].values()):
            self.assertGreaterEqual(counted, 0)
        for process in tree["processes"]:
            self.assertTrue(process["exe"].endswith("nginx"), process)
        for entry in tree["ungoverned"]:
            self.assertIsInstance(entry["listen"], str)
        self.assertEqual(self.graft.command("status", self.server.pid).returncode, done.returncode)
        return tree

    def test_garbage(self):
        generation = 1
        for what in ("zeros", "ones", "random", "crafted"):
            with self.subTest(written=what):
                self.write(what)
                self.sane()
                for again in range(2):
                    # what a request asked for has its verdict before
                    self.write("zeros" if again else what)
                    self.pair(self.pairs[generation % 2])
                    self.assert_reloaded(self.server)
                    generation += 1
                    self.right_clients_alone(self.server, self.pairs[(generation + 1) % 2])
                    self.sane()
        self.assertEqual(self.family(self.server), self.before, "the same guardian, the same worker")

    def test_processes_that_are_not_its_own(self):
        command = [sys.executable, "-c", MANY_MAPPINGS]
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(other.stdout.readline(), "ready\n")
            for what in ("foreign", "processes"):
                self.write(what, other.pid)
                tree = self.sane()
                self.assertNotIn(other.pid, [process["pid"] for process in tree["processes"]])
                self.assert_reloaded(self.server)
        finally:
            other.communicate("")
        self.assertTrue(all(procs.alive(pid) for pid in self.before))
