# SPDX-License-Identifier: Apache-2.0
"""What the tests of faults share: the keeper's processes by id, and how much is done."""

import os

from support import procs
from support.case import ServerCase
from support.client import VERSIONS
from support.procs import wait_until

LONG = os.environ.get("TLSGRAFT_LONG") == "1"


def long_or_short(long, short):
    """How often something is done: by hand with TLSGRAFT_LONG=1, or in CI."""
    return long if LONG else short


class FaultCase(ServerCase):
    def setUp(self):
        super().setUp()
        self.good = self.pki.clients["good"]
        self.pairs = [self.pki.server("ec", number) for number in range(2)]

    def keepers(self, server):
        """Every living process of the keeper of this server's tree, by what it maps; asks no keeper."""
        tree = self.tree_name(server.pid)
        if tree is None:
            return []
        return [pid for pid in self.all_keepers() if f"tlsgraft-policy:{tree}" in procs.maps(pid)]

    def all_keepers(self):
        return [pid for pid in procs.all_processes() if procs.executable(pid) == str(self.graft.keeper)]

    @staticmethod
    def tree_name(pid):
        for line in procs.maps(pid).splitlines():
            if "tlsgraft-report:" in line:
                return line.split("tlsgraft-report:")[1].split()[0]
        return None  # at this moment: it may just execute another program

    def family(self, server, seconds=2):
        """(guardian, worker) of a server's tree, as soon as both live."""

        def both():
            found = self.keepers(server)
            workers = [pid for pid in found if procs.parent(pid) in found]
            return (procs.parent(workers[0]), workers[0]) if len(workers) == 1 else None

        return wait_until(both, seconds, f"guardian and worker of {server.name}")

    def right_clients_alone(self, server, *injected):
        """The right client gets its answer under one of `injected`; without a certificate nobody gets a byte."""
        chains = [one.chain_sha256 for one in injected]
        for version in VERSIONS:
            result = self.probe(server, version, self.good)
            self.assertTrue(server.is_answer(result.data, "one.example"), str(result))
            self.assertIn(result.chain_sha256, chains, str(result))
            self.assert_refused(self.probe(server, version))

    def status_of(self, server):
        """(exit status, the tree's object)."""
        done = self.graft.command("status", "--json", server.pid)
        tree = self.graft.tree_of(done)
        self.assertIsNotNone(tree, f"status {done.returncode}: {done.stdout}{done.stderr}")
        return done.returncode, tree

    def sizes(self, pids):
        """{pid: (KiB of memory of its own, descriptors)}"""
        return {pid: (procs.memory_kib(pid), procs.descriptors(pid)) for pid in pids}

    def assert_no_growth(self, before, after, kib):
        self.assertEqual(sorted(before), sorted(after), "no process came or went")
        for pid, (memory, descriptors) in before.items():
            said = f"{procs.command_line(pid)[:40]} {pid}"
            self.assertLessEqual(after[pid][0] - memory, kib, f"{said}: KiB")
            self.assertLessEqual(after[pid][1], descriptors, f"{said}: descriptors")
