# SPDX-License-Identifier: Apache-2.0
"""New certificates reach every worker, from key files that only root can read."""

import signal
import time

from support import client, procs
from support.case import ServerCase
from support.pki import HOSTS
from support.procs import wait_until

from servers.apache import Apache
from servers.haproxy import Haproxy
from servers.mosquitto import Mosquitto
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.redis import Redis


class Renewal(ServerCase):
    def generation(self, server):
        tree = self.graft.status(server.pid)
        return tree["generation"] if tree else 0

    def start(self, kind, **options):
        self.old, self.new = self.pki.server("rsa"), self.pki.server("ec", 1)
        self.good = self.pki.clients["good"]
        server = self.grafted(kind, self.ini({"server": self.mutual(self.old)}), **options)
        self.assertEqual((self.home / "server.key").stat().st_mode & 0o777, 0o600)
        self.all_workers_serve(server, self.old, self.good, 6)
        return server

    def renewed_by_signal(self, server, pid=None):
        """Replaces the files, sends the signal, waits for the verdict; the next handshakes serve the new pair."""
        before = self.generation(server)
        self.pair(self.new)
        procs.kill(pid or server.pid, signal.SIGHUP)
        wait_until(lambda: self.generation(server) > before, 5, "verdict on the signal")
        for version in client.VERSIONS:
            self.all_workers_serve(server, self.new, self.good, 12, version)
        self.assertEqual(self.graft.status(server.pid)["reload"]["verdict"], "accepted")

    def renewed_by_command(self, server):
        before = self.generation(server)
        self.pair(self.new)
        self.assert_reloaded(server)
        self.assertEqual(self.generation(server), before + 1)
        for version in client.VERSIONS:
            self.all_workers_serve(server, self.new, self.good, 12, version)

    def test_nginx_by_command(self):
        server = self.start(Nginx)
        workers = server.workers()
        self.assertEqual(len(workers), 2)
        for worker in workers:
            self.assertNotIn(0, procs.user_ids(worker))
        self.renewed_by_command(server)
        self.assertEqual(sorted(workers), sorted(server.workers()), "a reload by command restarts no worker")
        served = {entry["pid"] for entry in self.graft.status(server.pid)["processes"]}
        self.assertTrue(set(workers) <= served, f"{workers} in {served}")

    def test_nginx_by_signal(self):
        self.renewed_by_signal(self.start(Nginx))

    def test_nginx_worker_got_the_signal(self):
        """Any process of the tree will do. nginx's workers take no notice of SIGHUP themselves."""
        server = self.start(Nginx)
        self.renewed_by_signal(server, server.workers()[0])

    def test_mosquitto_by_signal(self):
        server = self.start(Mosquitto)
        self.assertNotIn(0, procs.user_ids(server.pid)[:3])
        self.renewed_by_signal(server)

    def test_mosquitto_by_command(self):
        self.renewed_by_command(self.start(Mosquitto))

    def test_python_lives_through_the_signal(self):
        server = self.start(PythonSsl)
        self.renewed_by_signal(server)
        self.assertTrue(procs.alive(server.pid))

    def test_redis_ignores_the_signal_itself(self):
        self.renewed_by_signal(self.start(Redis))

    def test_redis_as_its_own_user(self):
        """run --user: the keeper keeps root's rights, the server never has them."""
        server = self.make(Redis)
        for path in (server.home, server.home / "own0.key"):
            procs_user(path, "redis")
        self.old, self.new = self.pki.server("rsa"), self.pki.server("ec", 1)
        self.good = self.pki.clients["good"]
        ini = self.ini({"server": self.mutual(self.old)})
        server.start(wrap=self.graft.run(ini, "--user", "redis"), environment=self.graft.environment())
        self.assertNotIn(0, procs.user_ids(server.pid))
        self.all_workers_serve(server, self.old, self.good, 3)
        self.renewed_by_signal(server)

    def test_haproxy_by_command(self):
        self.renewed_by_command(self.start(Haproxy))

    def test_haproxy_by_signal(self):
        """Its master executes itself anew: the constructor runs again, in the same tree."""
        self.renewed_by_signal(self.start(Haproxy))

    def test_apache_by_signal(self):
        self.renewed_by_signal(self.start(Apache))

    def test_apache_by_command(self):
        self.renewed_by_command(self.start(Apache))

    def test_watch(self):
        """watch = yes: no signal at all; certificate first, its key a moment later."""
        self.old, self.new = self.pki.server("rsa"), self.pki.server("ec", 1)
        good = self.pki.clients["good"]
        ini = self.ini({"tlsgraft": {"watch": "yes"}, "server": self.mutual(self.old)})
        server = self.grafted(Nginx, ini)
        self.assert_served(server, self.probe(server, who=good), self.old)
        before = self.generation(server)
        (self.home / "server.pem").write_bytes(self.new.cert.read_bytes())  # truncate and write, as spiffe-helper does
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            self.assert_served(server, self.probe(server, who=good), self.old)
        (self.home / "server.key").write_bytes(self.new.key.read_bytes())
        wait_until(lambda: self.generation(server) > before, 5, "reload by watching")
        self.all_workers_serve(server, self.new, good)

    def test_a_key_that_does_not_match_changes_nothing(self):
        server = self.start(Nginx)
        before = self.generation(server)
        (self.home / "server.key").write_bytes(self.new.key.read_bytes())
        began = time.monotonic()
        self.assert_reload_refused(server, "server.key")
        self.assertGreater(time.monotonic() - began, 2.5, "a key that does not match is waited for")
        self.assertEqual(self.generation(server), before)
        self.all_workers_serve(server, self.old, self.good, 6)
        tree = self.graft.status(server.pid)
        self.assertEqual(tree["reload"]["verdict"], "refused")
        self.assertTrue(tree["reload"]["reason"])

    def test_faults_are_refused_and_change_nothing(self):
        server = self.start(Nginx)
        good_ini = {"server": self.mutual(self.old)}
        faults = {
            "no such certificate": {"server": {**good_ini["server"], "cert": self.home / "absent.pem"}},
            "unknown mode": {"server": {**good_ini["server"], "mode": "strict"}},
            "expired": {"server": {**good_ini["server"], **self.pair(self.expired(), "expired")}},
            "loose key": {"server": {**good_ini["server"], **self.loose()}},
            "no section": {"tlsgraft": {"log_level": "info"}},
            "a client's certificate": {"server": {**good_ini["server"], **self.pair(self.good, "client")}},
        }
        for name, sections in faults.items():
            with self.subTest(fault=name):
                self.ini(sections)
                self.assert_reload_refused(server)
                self.all_workers_serve(server, self.old, self.good, 4)
        self.ini(good_ini)
        self.assert_reloaded(server)

    def expired(self):
        return self.pki.intermediate.issue("late", "server", names=f"DNS:{HOSTS[0]}", start=-7200, end=-60)

    def loose(self):
        keys = self.pair(self.pki.server("ec"), "loose")
        keys["key"].chmod(0o644)
        return keys


def procs_user(path, name):
    import shutil

    shutil.chown(path, name, name)
