# SPDX-License-Identifier: Apache-2.0
"""The keeper's processes killed at any moment: what is served goes on, and what is said of it is true."""

import contextlib
import json
import signal
import subprocess
import time

from support import procs
from support.build import compiled
from support.procs import wait_until
from support.traffic import Download

from faults.case import FaultCase, long_or_short
from faults.killer import Killer, doomed, freed
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl

HANG_UP, STOP, CONTINUE = signal.SIGHUP, signal.SIGSTOP, signal.SIGCONT


class Child(PythonSsl):
    """The server is executed by a launcher, which is what `tlsgraft run` starts and what keeps the tree."""

    def command(self):
        script = 'trap "kill \\$child; wait" TERM; "$@" & child=$!; wait $child'
        return ["/bin/sh", "-c", script, "sh", *super().command()]


class Deaths(FaultCase):
    def start(self, kind=Nginx, environment=None, **options):
        server = self.make(kind, **options)
        self.sections = {"server": self.mutual(self.pairs[0])}
        server.start(wrap=self.graft.run(self.ini(self.sections)), environment=environment or {}, wait=kind is not Child)
        return server

    def back(self, server, but=None):
        """(guardian, worker), the worker another one than `but`; within a second, as long as the machine is not busy."""
        began = time.monotonic()
        found = wait_until(lambda: self.other_worker(server, but), 3, "a new worker")
        self.slowest = max(getattr(self, "slowest", 0), time.monotonic() - began)
        return found

    def other_worker(self, server, but):
        family = self.family(server)
        return family if family[1] != but else None

    def kill_worker(self, server, call):
        """The worker, and what will kill it; not one that has just been killed and has yet to go."""
        for _ in range(5):
            worker = self.family(server, 5)[1]
            with contextlib.suppress(AssertionError):
                return worker, Killer(worker, call)
        raise AssertionError("no worker lives long enough to be traced")

    # the worker, while something is asked of it

    def test_worker_killed_during_a_reload(self):
        """At each of its system calls. The command is answered all the same: by the one that takes its place."""
        server = self.start()
        sha256 = server.write_file("big", long_or_short(256, 8) << 20)
        download = Download(server.port, self.good, "/files/big", sha256)
        guardian, worker = self.family(server)
        died = lived = 0
        calls = range(1, 160, long_or_short(1, 13))
        for number, call in enumerate(calls):
            new = self.pairs[(number + 1) % 2]
            worker, killer = self.kill_worker(server, call)
            self.pair(new)
            done = self.graft.reload(server.pid)
            killer.stop()
            self.assertEqual(done.returncode, 0, f"call {call}: {done.stdout}{done.stderr}")
            self.assertIn("accepted", done.stdout)
            if procs.alive(worker):
                lived += 1
            else:
                died += 1
                _, worker = self.back(server, worker)
            result = self.probe(server, who=self.good)
            self.assert_served(server, result, new)
            code, tree = self.status_of(server)
            said = (code, tree["reload"]["verdict"], tree["keeper"]["alive"])
            self.assertEqual(said, (0, "accepted", True), f"call {call}")
            self.assertEqual(tree["sections"][0]["certificates"][0]["sha256"], new.leaf_sha256, f"call {call}")
        self.right_clients_alone(server, new)
        print(f"  worker killed at {died} of {len(calls)} system calls of a reload ({lived} were not reached); "
              f"slowest return {self.slowest:.2f} s")
        self.assertGreater(died, lived)
        self.assertTrue(procs.alive(guardian))
        self.assertIsNone(download.finish())

    def test_worker_killed_during_a_reload_by_signal(self):
        """Nobody waits for an answer, and none is lost: what was renewed is served."""
        server = self.start(PythonSsl)
        _, worker = self.family(server)
        calls = range(2, 160, long_or_short(1, 21))
        for number, call in enumerate(calls):
            new = self.pairs[(number + 1) % 2]
            worker, killer = self.kill_worker(server, call)
            self.pair(new)
            procs.kill(server.pid, HANG_UP)
            wait_until(lambda new=new: self.probe(server, who=self.good).chain_sha256 == new.chain_sha256, 4, f"{call}")
            killer.stop()
            if not procs.alive(worker):
                _, worker = self.back(server, worker)
        wait_until(lambda: self.status_of(server)[1]["reload"]["verdict"] == "accepted", 2, "the verdict")
        self.assertEqual(self.status_of(server)[0], 0)

    def test_worker_killed_during_a_refusal(self):
        """A verdict that was out stays true, and one that was not comes."""
        server = self.start()
        _, worker = self.family(server)
        (self.home / "server.pem").write_text("no certificate\n")
        for call in range(1, 140, long_or_short(1, 13)):
            worker, killer = self.kill_worker(server, call)
            done = self.graft.reload(server.pid)
            killer.stop()
            self.assertEqual(done.returncode, 1, f"call {call}: {done.stdout}{done.stderr}")
            self.assertIn("server.pem", done.stderr)
            if not procs.alive(worker):
                _, worker = self.back(server, worker)
            code, tree = self.status_of(server)
            self.assertEqual((code, tree["reload"]["verdict"], tree["generation"]), (1, "refused", 1), f"call {call}")
            self.assertIn("server.pem", tree["reload"]["reason"])
        self.right_clients_alone(server, self.pairs[0])
        self.pair(self.pairs[1])
        self.assert_reloaded(server)
        self.right_clients_alone(server, self.pairs[1])

    def test_worker_killed_during_a_status_request(self):
        server = self.start()
        _, worker = self.family(server)
        died = 0
        calls = range(1, 240, long_or_short(2, 29))
        for call in calls:
            worker, killer = self.kill_worker(server, call)
            code, tree = self.status_of(server)
            killer.stop()
            self.assertEqual((code, tree["generation"], tree["keeper"]["alive"]), (0, 1, True), f"call {call}")
            self.assertIn(server.pid, [process["pid"] for process in tree["processes"]])
            if not procs.alive(worker):
                died += 1
                _, worker = self.back(server, worker)
        print(f"  worker killed at {died} of {len(calls)} system calls of a status request")
        self.assertGreater(died, 2)

    def test_a_request_over_which_every_worker_dies_is_refused(self):
        """Files that are the death of whoever reads them do not take the keeper with them."""
        server = self.start()
        _, worker = self.family(server)
        self.assertEqual(self.status_of(server)[0], 0)
        (self.home / "server.key").write_bytes(self.pairs[1].key.read_bytes())  # waited for, 3 s
        procs.kill(server.workers()[0], HANG_UP)
        for _ in range(3):
            wait_until(lambda: self.status_of(server)[1]["reload"]["verdict"] == "pending", 2, "pending")
            procs.kill(worker)
            _, worker = self.back(server, worker)
        code, tree = self.status_of(server)
        self.assertEqual((code, tree["reload"]["verdict"]), (1, "refused"))
        self.assertIn("died", tree["reload"]["reason"])
        self.pair(self.pairs[1])
        self.assert_reloaded(server)
        self.right_clients_alone(server, self.pairs[1])

    # during the start

    def test_any_process_killed_during_the_start(self):
        """Each process of the keeper dies at its Nth system call: the server serves as it must, or it is not there."""
        outcomes = {"served": 0, "not started": 0}
        for call in range(1, 700, long_or_short(5, 53)):
            graft = doomed(self.graft, self.home, call)
            server = self.make(Nginx)
            ini = self.ini({"server": self.mutual(self.pairs[0])})
            server.start(wrap=graft.run(ini), wait=False)
            wait_until(lambda: server.process.poll() is not None or server.is_ready(), 15, f"call {call}: an end or a port")
            freed()
            if server.process.poll() is None:
                outcomes["served"] += 1
                self.right_clients_alone(server, self.pairs[0])
                self.truth_after_a_start(server, call)
            else:
                outcomes["not started"] += 1
                self.assertIn(server.process.returncode, (70, 78, 137, -9), f"call {call}: {server.logs()}")
                self.assertFalse(procs.accepts(server.port))
            server.stop()
        print(f"  keeper's processes killed during the start: {outcomes}")
        self.assertGreater(min(outcomes.values()), 0, outcomes)

    def truth_after_a_start(self, server, call):
        """The keeper is there and reloads, or it is gone and that is said."""
        found = self.keepers(server)
        if found:
            self.back(server)
            self.assertEqual(self.status_of(server)[0], 0, f"call {call}")
            self.assert_reloaded(server)
        else:
            code, tree = self.status_of(server)
            self.assertEqual((code, tree["keeper"]["alive"]), (1, False), f"call {call}")

    # the guardian

    def after_the_guardian(self, server, injected):
        self.right_clients_alone(server, injected)
        code, tree = self.status_of(server)
        self.assertEqual((code, tree["keeper"]["alive"], tree["reload"]["verdict"]), (1, False, "refused"))
        done = self.graft.reload(server.pid)
        self.assertEqual(done.returncode, 2, f"{done.stdout}{done.stderr}")
        self.assertIn("keeper is gone", done.stderr)

    def test_guardian_killed_during_a_reload(self):
        """At each of its system calls: served is one of the two, and the command does not say what is not so."""
        said = {0: 0, 1: 0, 2: 0}
        for call in range(1, long_or_short(24, 8), long_or_short(1, 2)):
            server = self.start()
            guardian, worker = self.family(server)
            killer = Killer(guardian, call)
            self.pair(self.pairs[1])
            done = self.graft.reload(server.pid)
            procs.kill(guardian)
            killer.stop()
            said[done.returncode] += 1
            for pid in (guardian, worker):
                self.gone(pid, 2)
            if done.returncode == 0:
                self.right_clients_alone(server, self.pairs[1])
            else:
                self.right_clients_alone(server, *self.pairs)
            self.after_the_guardian(server, self.pairs[self.status_of(server)[1]["generation"] - 1])
            server.stop()
        print(f"  guardian killed during a reload; the command's status: {said}")

    # between exec and constructor of a child

    def stopped_child(self, server):
        def found():
            for pid in procs.descendants(server.pid):
                if procs.state(pid) == "T" and "hold" in procs.maps(pid):
                    return pid
            return None

        return wait_until(found, 5, "a child that is stopped before its constructor")

    def start_stopped(self):
        library = compiled("hold.c", "-shared", "-fPIC")
        server = self.start(Child, {"LD_PRELOAD": str(library), "HOLD_PROGRAM": "python3"})
        return server, self.stopped_child(server)

    def test_worker_killed_between_exec_and_constructor(self):
        server, child = self.start_stopped()
        _, worker = self.family(server)
        procs.kill(worker)
        procs.kill(child, CONTINUE)
        server.wait_ready()
        self.right_clients_alone(server, self.pairs[0])
        self.back(server, worker)
        self.pair(self.pairs[1])
        self.assert_reloaded(server)
        self.right_clients_alone(server, self.pairs[1])

    def test_guardian_killed_between_exec_and_constructor(self):
        """A new tree, from the files as they are now."""
        server, child = self.start_stopped()
        for pid in self.family(server):
            procs.kill(pid)
        self.pair(self.pairs[1])
        procs.kill(child, CONTINUE)
        server.wait_ready()
        self.right_clients_alone(server, self.pairs[1])
        self.assertNotEqual(self.tree_name(child), self.tree_name(server.pid))
        done = self.graft.command("status", "--json", child)
        self.assertEqual((done.returncode, json.loads(done.stdout)[0]["keeper"]["alive"]), (0, True))
        self.assertEqual(self.graft.reload(child).returncode, 0)

    def test_guardian_killed_and_no_file_readable(self):
        """Where no new tree can be: a port that no client gets anything from."""
        server, child = self.start_stopped()
        for pid in self.family(server):
            procs.kill(pid)
        (self.home / "site.ini").unlink()
        procs.kill(child, CONTINUE)
        server.wait_ready()
        self.assert_refused(self.probe(server, who=self.good))
        self.assert_refused(self.probe(server))

    def test_guardian_killed_while_a_child_waits_for_its_answer(self):
        """The child is connected, and nobody has taken the connection."""
        server, child = self.start_stopped()
        guardian, worker = self.family(server)
        procs.kill(guardian, STOP)
        procs.kill(child, CONTINUE)
        wait_until(lambda: self.waits_for_the_keeper(child), 3, "a child that waits")
        self.pair(self.pairs[1])
        procs.kill(guardian)
        self.gone(worker, 2)
        server.wait_ready()
        self.right_clients_alone(server, self.pairs[1])
        self.assertNotEqual(self.tree_name(child), self.tree_name(server.pid))

    def waits_for_the_keeper(self, pid):
        """True once its connection is in the keeper's queue: the second socket of that name in the kernel's table."""
        table = subprocess.run(["cat", f"/proc/{pid}/net/unix"], capture_output=True, check=True).stdout
        name = f"@tlsgraft/{self.tree_name(self.servers[-1].pid)}"
        return table.count(name.encode()) > 1
