# SPDX-License-Identifier: Apache-2.0
"""Many reloads under load: nothing lost, nothing leaked."""

import signal
import time

from support import procs
from support.case import ServerCase
from support.pki import HOSTS
from support.procs import wait_until
from support.traffic import Download, Load

from servers.nginx import Nginx

ACCEPTED, REFUSED, PENDING = 1000, 200, 10
MEASURE_AT = 100
GROWTH_KIB = 2048
FILE_SIZE = 64 << 20


class Storm(ServerCase):
    def setUp(self):
        super().setUp()
        self.good = self.pki.clients["good"]
        self.pairs = [self.pki.server("ec", number) for number in range(2)]

    def tree(self, server):
        """Every process of the tree, keeper and all: {pid: what}."""
        found = {server.pid: "master"}
        found.update({pid: "worker" for pid in server.workers()})
        keeper = self.graft.status(server.pid)["keeper"]["pid"]
        above = procs.parent(keeper)
        top = above if procs.executable(above) == str(self.graft.keeper) else keeper
        found.update({pid: "keeper" for pid in [top, *procs.descendants(top)]})
        return found

    def measure(self, server):
        """Memory and descriptors of each process, once its connections are closed."""
        processes = self.tree(server)

        def settled():
            first = {pid: procs.descriptors(pid) for pid in processes}
            time.sleep(0.1)  # two looks a moment apart
            return first if first == {pid: procs.descriptors(pid) for pid in processes} else None

        descriptors = wait_until(settled, 10, "steady descriptors")
        return {pid: (what, procs.memory_kib(pid), descriptors[pid]) for pid, what in processes.items()}

    def refusals(self):
        """Faults that are refused at once, in turn; each leaves the good files as they are."""
        base = self.mutual(self.pairs[0])
        late = self.pki.intermediate.issue("late", "server", names=f"DNS:{HOSTS[0]}", start=-7200, end=-60)
        return [
            {"server": {**base, "mode": "strict"}},
            {"server": {**base, "cert": self.home / "absent.pem"}},
            {"server": {**base, **self.pair(late, "late")}},
            {"server": {**base, "ca": "/dev/null"}},
            {"server": {**base, "surprise": "yes"}},
        ]

    def test_reloads(self):
        sections = {"server": self.mutual(self.pairs[0])}
        server = self.make(Nginx, level="error")
        sha256 = server.write_file("big", FILE_SIZE)
        server.start(wrap=self.graft.run(self.ini(sections)), environment=self.graft.environment())
        faults = self.refusals()
        download = Download(server.port, self.good, "/files/big", sha256)
        counts = {"accepted": 0, "refused": 0, "pending": 0}
        current = self.pairs[0]
        load = Load(server.port, self.good)
        loads = [load]
        first = None
        total = ACCEPTED + REFUSED
        for number in range(1, total + 1):
            if number % (total // REFUSED):
                current = self.pairs[number % 2]
                self.pair(current)
                self.ini(sections)
                self.assert_reloaded(server)
                counts["accepted"] += 1
            elif number % (total // PENDING):
                self.ini(faults[number % len(faults)])
                self.assert_reload_refused(server)
                counts["refused"] += 1
            else:  # a certificate whose key never comes
                other = self.pairs[current is self.pairs[0]]
                (self.home / "server.pem").write_bytes(other.cert.read_bytes())
                self.ini(sections)
                self.assert_reload_refused(server)
                self.pair(current)
                counts["pending"] += 1
            if number % 50 == 0:
                self.assert_served(server, self.probe(server, who=self.good), current)
            if number == MEASURE_AT:
                load.stop()
                first = self.measure(server)
                load = Load(server.port, self.good)
                loads.append(load)
        load.stop()
        last = self.measure(server)
        self.assertEqual(counts, {"accepted": ACCEPTED, "refused": REFUSED - PENDING, "pending": PENDING})

        connections = sum(one.connections for one in loads)
        failed = sum(one.failed for one in loads)
        print(f"  {counts}; connections {connections}, failed {failed}; download {download.received >> 20} MiB so far")
        self.assertGreater(connections, 1000)
        self.assertEqual(failed, 0, "".join(one.faults for one in loads))
        self.assertIsNone(download.finish())
        self.assertEqual(sorted(first), sorted(last), "no process came or went")
        for pid, (what, memory, descriptors) in first.items():
            grown = last[pid][1] - memory
            print(f"  {what} {pid}: {memory} KiB at {MEASURE_AT}, grown by {grown} KiB; {last[pid][2]} descriptors")
            with self.subTest(process=what):
                self.assertLessEqual(grown, GROWTH_KIB, "memory grew")
                self.assertLessEqual(last[pid][2], descriptors, "descriptors leaked")

    def signals(self, server, renew):
        """100 SIGHUPs to nginx's master under load, each after the one before was carried out."""
        sha256 = server.write_file("big", FILE_SIZE)
        download = Download(server.port, self.good, "/files/big", sha256)
        load = Load(server.port, self.good)
        for number in range(100):
            if renew and number % 10 == 0:
                self.pair(self.pairs[number // 10 % 2])
            before = set(server.workers())
            procs.kill(server.pid, signal.SIGHUP)
            wait_until(lambda before=before: len(set(server.workers()) - before) >= 2, 10, "new workers")
        load.stop()
        print(f"  connections {load.connections}, failed {load.failed}, {'grafted' if renew else 'plain'}{load.faults}")
        self.assertGreater(load.connections, 500)
        self.assertIsNone(download.finish())
        return load

    def test_signals(self):
        """What 100 of nginx's own reloads lose without tlsgraft is what they may lose with it."""
        plain = self.make(Nginx, level="error").start()
        without = self.signals(plain, renew=False)
        plain.stop()
        server = self.grafted(Nginx, self.ini({"server": self.mutual(self.pairs[1])}), level="error")
        grafted = self.signals(server, renew=True)
        self.assertLessEqual(grafted.failed, without.failed, grafted.faults)
        wait_until(
            lambda: self.graft.status(server.pid)["reload"]["verdict"] == "accepted", 5, "verdict on the last signal"
        )
        self.all_workers_serve(server, self.pairs[1], self.good)
