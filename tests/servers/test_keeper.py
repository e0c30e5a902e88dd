# SPDX-License-Identifier: Apache-2.0
"""The keeper and the shared memory: attacked, killed, outlived."""

import contextlib
import os
import signal
import subprocess
import time

from support import procs
from support.build import compiled
from support.case import ServerCase
from support.client import VERSIONS
from support.procs import wait_until

from servers.haproxy import Haproxy
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl


class Keeper(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        self.renewed = self.pki.server("ec", 1)
        self.good = self.pki.clients["good"]

    def start(self, kind=Nginx, environment=None, **options):
        server = self.make(kind, **options)
        env = self.graft.environment()
        for key, value in (environment or {}).items():
            env[key] = ":".join(filter(None, [value, env.get(key, "")])) if key == "LD_PRELOAD" else value
        ini = self.ini({"server": self.mutual(self.injected)})
        return server.start(wrap=self.graft.run(ini), environment=env)

    def still_good(self, server, injected):
        for version in VERSIONS:
            for _ in range(6):
                self.assert_served(server, self.probe(server, version, self.good), injected)
                self.assert_refused(self.probe(server, version), injected)

    def family(self, server):
        """(guardian, worker) of a server's tree."""
        keeper = self.graft.status(server.pid)["keeper"]["pid"]
        above = procs.parent(keeper)
        if procs.executable(above) == str(self.graft.keeper):
            return above, keeper
        below = procs.descendants(keeper)
        return keeper, below[0] if below else 0

    # the shared memory

    def attacked(self, server, pid, log, number, last):
        before = log.read_text() if log.exists() else ""
        procs.kill(pid, number)
        wait_until(lambda: last in log.read_text()[len(before) :], 5, f"'{last}' in the log of the attack")
        return log.read_text()[len(before) :].splitlines()

    def attack(self, who):
        log = self.home / "attack.log"
        library = compiled("attack.c", "-shared", "-fPIC")
        server = self.start(environment={"LD_PRELOAD": str(library), "ATTACK_LOG": str(log)})
        self.still_good(server, self.injected)
        pid = who(server)
        lines = self.attacked(server, pid, log, signal.SIGRTMIN + 7, "end of attack")
        possible = [line for line in lines if line.endswith("POSSIBLE") and not line.startswith("end of")]
        self.assertEqual(possible, [], lines)
        self.assertTrue(any(line.startswith("policy mprotect: refused") for line in lines), lines)
        self.still_good(server, self.injected)
        self.attacked(server, pid, log, signal.SIGRTMIN + 8, "wild values written")
        self.still_good(server, self.injected)
        guardian, worker = self.family(server)
        self.assertTrue(procs.alive(guardian) and procs.alive(worker))
        self.pair(self.renewed)
        self.assert_reloaded(server)
        self.still_good(server, self.renewed)
        self.assertTrue(procs.alive(guardian))
        server.stop()
        self.gone(guardian)

    def test_attack_from_a_worker_that_dropped_its_user(self):
        def worker(server):
            pid = server.workers()[0]
            self.assertNotIn(0, procs.user_ids(pid))
            return pid

        self.attack(worker)

    def test_attack_from_the_master_as_root(self):
        self.attack(lambda server: server.pid)

    # deaths

    def test_worker_killed(self):
        server = self.start()
        guardian, worker = self.family(server)
        self.assertNotEqual(worker, 0)
        procs.kill(worker)
        self.still_good(server, self.injected)
        began = time.monotonic()
        wait_until(lambda: (self.graft.status(server.pid) or {}).get("keeper", {}).get("alive"), 1, "a new worker")
        self.assertLess(time.monotonic() - began, 1)
        self.assertNotEqual(self.family(server)[1], worker)
        tree = self.graft.status(server.pid)
        self.assertEqual(tree["generation"], 1, "the restarted worker publishes nothing by itself")
        self.pair(self.renewed)
        self.assert_reloaded(server)
        self.still_good(server, self.renewed)

    def test_worker_killed_at_any_moment(self):
        """Also in the middle of a reload: the next one is answered, and what is served is one of the two."""
        server = self.start()
        guardian, _ = self.family(server)
        pairs = [self.injected, self.renewed]
        for number in range(20):
            self.pair(pairs[number % 2])
            reload = subprocess.Popen(
                [self.graft.cli, "reload", str(server.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(number * 0.001)  # each time a millisecond later
            procs.kill(wait_until(lambda: self.worker_of(guardian), 2, "a worker"))
            reload.wait(10)
            result = self.probe(server, who=self.good)
            self.assertTrue(server.is_answer(result.data, "one.example"), str(result))
            self.assertIn(result.chain_sha256, [pair.chain_sha256 for pair in pairs])
        self.pair(self.renewed)
        wait_until(lambda: self.graft.reload(server.pid).returncode == 0, 3, "a reload")
        self.still_good(server, self.renewed)

    def worker_of(self, guardian):
        """Without asking the worker itself."""
        below = procs.descendants(guardian)
        return below[0] if below else 0

    def test_guardian_killed(self):
        server = self.start()
        guardian, worker = self.family(server)
        procs.kill(guardian)
        procs.kill(worker)
        self.still_good(server, self.injected)
        done = self.graft.command("status", "--json", server.pid)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        tree = self.graft.status(server.pid)
        self.assertIsNotNone(tree, done.stderr)
        self.assertFalse(tree["keeper"]["alive"])
        self.assertNotEqual(self.graft.reload(server.pid).returncode, 0)
        self.still_good(server, self.injected)

    def test_guardian_killed_then_exec(self):
        """HAProxy's master executes itself at SIGHUP: a process without a keeper starts one anew."""
        server = self.start(Haproxy)
        guardian, worker = self.family(server)
        procs.kill(guardian)
        procs.kill(worker)
        self.pair(self.renewed)
        before = set(server.workers())
        procs.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: set(server.workers()) - before, 10, "a new worker")
        wait_until(lambda: self.graft.status(server.pid)["keeper"]["alive"], 5, "a new keeper")
        self.still_good(server, self.renewed)

    def test_ends_with_the_tree(self):
        for kind in (Nginx, Haproxy, PythonSsl):
            with self.subTest(server=kind.name):
                server = self.start(kind)
                family = self.family(server)
                self.assertTrue(server.stop())
                for pid in family:
                    self.gone(pid, 3)

    def test_outlives_termination_signals_of_the_group(self):
        """A terminal's Ctrl-C or a service manager's TERM to everything must not take the keeper first."""
        server = self.start()
        guardian, worker = self.family(server)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            for pid in (guardian, worker):
                procs.kill(pid, number)
        self.still_good(server, self.injected)
        self.assertTrue(procs.alive(guardian) and procs.alive(worker))
        self.assertNotEqual(os.getsid(guardian), os.getsid(server.pid))

    @contextlib.contextmanager
    def daemon(self, redirect=""):
        """nginx that puts itself into the background, started in a command substitution; ended afterwards."""
        server = self.make(Nginx, daemon=True)
        ini = self.ini({"server": self.mutual(self.injected)})
        words = [str(word) for word in [*self.graft.run(ini), *server.command()]]
        began = time.monotonic()
        done = subprocess.run(
            ["sh", "-c", f'out=$("$@" {redirect}); echo "status $?"', "sh", *words], capture_output=True, text=True,
            timeout=10, check=True, stdin=subprocess.DEVNULL, env={**os.environ, **self.graft.environment()},
        )
        self.assertIn("status 0", done.stdout, done.stderr)
        self.assertLess(time.monotonic() - began, 3)

        def master():
            return int((server.home / "nginx.pid").read_text().strip() or 0)

        server.pid = wait_until(master, 5, "nginx.pid")
        try:
            wait_until(server.is_ready, 5, "the daemon")
            self.still_good(server, self.injected)
            family = self.family(server)
            yield server
        finally:
            for pid in [*server.workers(), server.pid]:
                procs.kill(pid, signal.SIGTERM)
                self.gone(pid, 5)
        for pid in family:
            self.gone(pid, 3)

    def test_a_daemon_in_a_command_substitution(self):
        with self.daemon() as server:
            self.pair(self.renewed)
            self.assert_reloaded(server)
            self.still_good(server, self.renewed)

    def test_a_daemon_in_a_command_substitution_with_stderr(self):
        with self.daemon("2>&1"):
            pass

    def test_an_upgrade_of_the_running_program(self):
        """nginx's USR2 starts a new master with a cleaned environment: it is grafted all the same."""
        with self.daemon() as server:
            old = server.pid
            before = {old, *server.workers()}
            procs.kill(old, signal.SIGUSR2)

            def new_master():
                return [pid for pid in server.workers() if pid not in before and procs.user_ids(pid)[:1] == [0]]

            server.pid = wait_until(new_master, 5, "a new master")[0]
            wait_until(lambda: len(server.workers()) == 2, 5, "its workers")
            self.assertIn("libtlsgraft.so", procs.maps(server.pid))
            procs.kill(old, signal.SIGQUIT)
            for pid in before:
                self.gone(pid, 10)
            self.still_good(server, self.injected)
            self.pair(self.renewed)
            self.assert_reloaded(server)
            self.still_good(server, self.renewed)

    def test_started_by_hand(self):
        """LD_PRELOAD and TLSGRAFT_CONFIG alone: the constructor starts the keeper itself."""
        for kind in (Nginx, Haproxy, PythonSsl):
            with self.subTest(server=kind.name):
                server = self.make(kind)
                self.pair(self.injected)
                ini = self.ini({"server": self.mutual(self.injected)})
                server.start(environment=self.graft.preload(ini))
                self.still_good(server, self.injected)
                self.pair(self.renewed)
                self.assert_reloaded(server)
                self.still_good(server, self.renewed)
                family = self.family(server)
                self.assertTrue(server.stop())
                for pid in family:
                    self.gone(pid, 3)

    test_started_by_hand.under_asan = test_worker_killed.under_asan = True
