# SPDX-License-Identifier: Apache-2.0
"""Other users of the machine, who may connect to keepers' sockets and take free names; and too much of everything."""

import json
import os
import subprocess
import time
from pathlib import Path

from support import procs
from support.build import compiled
from support.procs import wait_until

from faults.case import FaultCase
from faults.requests import BySocket
from faults.test_deaths import CONTINUE, HANG_UP, STOP, Child
from servers.nginx import Nginx

PYTHON = "/usr/bin/python3"
NOBODY = 65534
UNTRUSTED = Path(__file__).resolve().parent.parent / "support" / "untrusted.py"


class Untrusted(FaultCase):
    def start(self, kind=Nginx, wrap=(), top=None, **options):
        server = self.make(kind)
        ini = self.ini({"tlsgraft": top or {}, "server": self.mutual(self.pairs[0])})
        return server.start(wrap=[*wrap, *self.graft.run(ini)], wait=kind is not Child, **options)

    def untrusted(self, what, tree, count=1, user=NOBODY, wait=True):
        drop = ["setpriv", f"--reuid={user}", "--clear-groups"]
        process = subprocess.Popen(
            [*drop, PYTHON, UNTRUSTED, what, tree, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )

        def end():
            for pid in [*procs.descendants(process.pid), process.pid]:
                procs.kill(pid)
            process.communicate()

        self.addCleanup(end)
        if wait:
            self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def answers(self, server):
        """All commands, within their own bounds."""
        self.assert_reloaded(server)
        code, tree = self.status_of(server)
        self.assertEqual((code, tree["keeper"]["alive"]), (0, True))

    # names

    def test_the_name_of_a_dead_keeper_is_taken(self):
        """Nobody believes who has it: not root's commands, and not a child that looks for its keeper."""
        self.a_dead_keeper_s_name("squat")

    def test_the_name_of_a_dead_keeper_and_no_room_in_its_queue(self):
        """Nobody waits for who has it."""
        self.a_dead_keeper_s_name("full")

    def a_dead_keeper_s_name(self, what):
        library = compiled("hold.c", "-shared", "-fPIC")
        server = self.start(Child, environment={"LD_PRELOAD": str(library), "HOLD_PROGRAM": "python3"})

        def stopped():
            return [pid for pid in procs.descendants(server.pid) if procs.state(pid) == "T" and "hold" in procs.maps(pid)]

        child = wait_until(stopped, 5, "a child that is stopped before its constructor")[0]
        tree = self.tree_name(server.pid)
        squatter = self.untrusted(what, tree, wait=False)
        for pid in self.family(server):
            procs.kill(pid)
        self.assertEqual(squatter.stdout.readline(), "ready\n")
        code, status = self.status_of(server)
        self.assertEqual((code, status["keeper"]["alive"], status["config"]), (1, False, str(self.home / "site.ini")))
        done = self.graft.reload(server.pid)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("keeper is gone", done.stderr)
        self.pair(self.pairs[1])
        procs.kill(child, CONTINUE)
        server.wait_ready()
        self.right_clients_alone(server, self.pairs[1])
        self.assertNotEqual(self.tree_name(child), tree)
        self.answers_of(child)

    def answers_of(self, pid):
        self.assertEqual(self.graft.reload(pid).returncode, 0)

    def test_names_of_keepers_that_never_were(self):
        """Listed by nobody, and nobody waits for them."""
        server = self.start()
        for number, what in enumerate(("squat", "drip", "full", "full")):
            self.untrusted(what, f"{number:016x}")
        done = self.graft.command("status", "--json")
        trees = json.loads(done.stdout)
        self.assertNotIn("/squatted", [tree["config"] for tree in trees])
        self.assertIn(str(self.home / "site.ini"), [tree["config"] for tree in trees])
        self.assertEqual(done.stderr, "")
        self.answers(server)

    def test_a_keeper_that_tells_nothing(self):
        """An empty list and status 0 would say that nothing is there."""
        self.untrusted("garbage", f"{5:016x}", user=0)
        for words in (("--json",), ()):
            done = self.graft.command("status", *words)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(f"{5:016x}: the keeper does not answer", done.stderr)
            self.assertNotIn("no tree of servers", done.stdout)

    def test_a_memory_that_shrinks_while_it_is_read(self):
        server = self.start()
        line = next(line for line in procs.maps(server.pid).splitlines() if "tlsgraft-report:" in line)
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        untrusted = self.untrusted("shrink", f"{77:016x}", end - begin)
        for _ in range(8):
            done = self.graft.command("status", "--json")
            self.assertIn(done.returncode, (0, 1), done.stderr)
            self.assertIn(str(self.home / "site.ini"), [tree["config"] for tree in json.loads(done.stdout)])
        self.assertTrue(procs.alive(untrusted.pid))

    # too many connections

    def test_a_flood_of_connections(self):
        server = self.start()
        self.untrusted("flood", self.tree_name(server.pid), 8)
        for _ in range(5):
            self.answers(server)
        self.right_clients_alone(server, self.pairs[0])

    def test_connections_that_say_nothing(self):
        """Of untrusted users, and of a user who may have the policy: neither keeps others out."""
        server = self.start(top={"user": "nobody"})
        guardian, _ = self.family(server)
        before = procs.descriptors(guardian)
        tree = self.tree_name(server.pid)
        silent = [self.untrusted("silent", tree, 300, user) for user in (NOBODY, 1)]
        self.answers(server)
        self.assertEqual(self.hello(tree), "0 1")
        for process in silent:
            process.communicate("")
        wait_until(lambda: procs.descriptors(guardian) <= before + 1, 5, "all connections closed")

    def hello(self, tree):
        return subprocess.run([self.attach, tree], capture_output=True, text=True, check=False, timeout=20).stdout.strip()

    @property
    def attach(self):
        return self.graft.build / "tests" / "tg_attach"

    def test_many_children_at_once(self):
        """More than the keeper's queue holds, while it does not look: each gets its answer."""
        server = self.start()
        guardian, _ = self.family(server)
        tree = self.tree_name(server.pid)
        procs.kill(guardian, STOP)
        children = [subprocess.Popen([self.attach, tree], stdout=subprocess.PIPE, text=True) for _ in range(250)]
        wait_until(lambda: Path("/proc/net/unix").read_text(errors="replace").count(f"@tlsgraft/{tree}") > 100, 4, "a full queue")
        procs.kill(guardian, CONTINUE)
        said = [child.communicate()[0].strip() for child in children]
        self.assertEqual(said, ["0 1"] * len(children))
        self.answers(server)

    def test_abuse(self):
        server = self.start()
        family = self.family(server)
        tree = self.tree_name(server.pid)
        before = self.sizes(family)
        for user in (NOBODY, 0):
            self.untrusted("abuse", tree, 100, user).communicate("")
        self.answers(server)
        wait_until(lambda: all(procs.descriptors(pid) <= before[pid][1] for pid in family), 5, "no descriptor kept")
        self.assertEqual(self.family(server), family)
        self.right_clients_alone(server, self.pairs[0])

    def test_many_wait_for_one_verdict(self):
        server = self.start()
        (self.home / "server.key").write_bytes(self.pairs[1].key.read_bytes())  # waited for, 3 s
        waiting = [
            subprocess.Popen([PYTHON, "-c", WAITS, str(100), self.tree_name(server.pid)], stdout=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        for process in waiting:
            self.assertEqual(process.stdout.readline(), "sent\n")
        (self.home / "server.pem").write_bytes(self.pairs[1].cert.read_bytes())
        for process in waiting:
            self.assertEqual(process.communicate(timeout=20)[0], "100 answered\n")

    # too few descriptors

    def test_more_processes_than_descriptors(self):
        """A limit below the number of processes that ask: each gets its policy, and the keeper goes on."""
        server = self.start(wrap=("prlimit", "--nofile=64"))
        guardian, worker = self.family(server)
        tree = self.tree_name(server.pid)
        attached = [
            subprocess.Popen([self.attach, tree, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(80)
        ]
        said = [process.stdout.readline().strip() for process in attached]
        self.assertEqual(said, ["0 1"] * len(attached))
        self.answers(server)
        procs.kill(worker)
        wait_until(lambda: self.family(server)[1] != worker, 3, "a new worker")
        self.answers(server)
        # what is not remembered holds the tree all the same
        server.stop()
        asked = BySocket(tree)
        asked.send()
        self.assertEqual([accepted for accepted, _ in asked.answered()], [True])
        time_over = time.monotonic() + 2
        while time.monotonic() < time_over:
            self.assertTrue(procs.alive(guardian))
            time.sleep(0.1)
        for process in attached:
            process.communicate("")
        self.gone(guardian)

    # a storm of signals, and reloads one in another

    def test_reloads_and_signals_in_each_other(self):
        server = self.start()
        command = [self.graft.cli, "reload", str(server.pid)]
        asked = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(30)
        ]
        for _ in range(30):
            procs.kill(server.workers()[0], HANG_UP)
            self.pair(self.pairs[os.getpid() % 2])
        for process in asked:
            self.assertIn("accepted", process.communicate()[0])
        self.answers(server)


WAITS = """
import json, socket, struct, sys
kept = []
for _ in range(int(sys.argv[1])):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one.connect(b"\\0tlsgraft/" + sys.argv[2].encode())
    one.settimeout(15)
    one.send(struct.pack("III", 0x68637467, 1, 3))
    kept.append(one)
print("sent", flush=True)
print(sum(json.loads(one.recv(65536))["verdict"] == "accepted" for one in kept), "answered")
"""
