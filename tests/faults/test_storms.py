# SPDX-License-Identifier: Apache-2.0
"""Many of everything at once: forks, connections, requests to reload."""

import signal
import time

from support import procs
from support.build import compiled
from support.procs import wait_until
from support.server import HttpServer
from support.traffic import Download, ManyClients, Load

from faults.case import FaultCase, long_or_short
from faults.requests import BySignal, BySocket, Requests
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.redis import Redis

GROWTH_KIB = 2048


class Forking(HttpServer):
    name = "forking"
    executable = "/bin/sh"  # compiled when it is started
    hosts = 1

    def configure(self):
        pass

    def command(self):
        return [compiled("forking.c", "-lssl", "-lcrypto"), self.port, self.home / "own0.pem", self.home / "own0.key"]


class OwnHandler(PythonSsl):
    """Handles the signal itself, by doing nothing."""

    def command(self):
        python, program, *arguments = super().command()
        code = "import runpy, signal, sys; signal.signal(signal.SIGHUP, lambda *_: None); "
        code += "del sys.argv[0]; runpy.run_path(sys.argv[0])"
        return [python, "-c", code, program, *arguments]


class Storms(FaultCase):
    def start(self, kind, top=None, **options):
        ini = self.ini({"tlsgraft": {"log_level": "warn", **(top or {})}, "server": self.mutual(self.pairs[0])})
        return self.grafted(kind, ini, **options)

    def requests(self, interval, way, every=1):
        pairs = [self.pairs[1], self.pki.server("rsa"), self.pki.server("ec", 2), self.pairs[0]]
        return Requests(pairs, self.home / "server.pem", self.home / "server.key", interval, way, every)

    def measure(self, server):
        """Of keeper and server, once its connections are closed."""
        pids = [*self.family(server), server.pid, *server.workers()]

        def settled():
            first = {pid: procs.descriptors(pid) for pid in pids}
            time.sleep(0.2)  # two looks a moment apart
            return first == {pid: procs.descriptors(pid) for pid in pids}

        wait_until(settled, 10, "steady descriptors")
        return self.sizes(pids)

    def no_zombies(self, server):
        guardian, worker = self.family(server)
        for pid in (guardian, worker):
            self.assertEqual(procs.zombies_below(pid), [], "a zombie of the keeper")

    def watched(self, server, seconds):
        """For that long: what `status` says is true. How often it was asked."""
        generation = asked = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            code, tree = self.status_of(server)
            self.assertEqual((code, tree["keeper"]["alive"], tree["reload"]["verdict"]), (0, True, "accepted"))
            self.assertGreaterEqual(tree["generation"], generation)
            generation = tree["generation"]
            asked += 1
            time.sleep(0.25)
        return asked

    def serves_the_newest(self, server, requests):
        wait_until(
            lambda: self.probe(server, who=self.good).chain_sha256 == requests.newest.chain_sha256, 5, "the newest one"
        )
        code, tree = self.status_of(server)
        self.assertEqual(code, 0)
        self.assertEqual(tree["sections"][0]["certificates"][0]["sha256"], requests.newest.leaf_sha256)
        self.right_clients_alone(server, requests.newest)

    def storm(self, server, requests, seconds, load):
        """Traffic and requests for some time, measured early and at its end."""
        asked = self.watched(server, seconds / 3)
        load.stop()
        before = self.measure(server)
        loads = [load, Load(server.port, self.good, conversation=load.process.args[5:])]
        asked += self.watched(server, seconds * 2 / 3)
        requests.stop()
        loads[1].stop()
        self.serves_the_newest(server, requests)
        after = self.measure(server)
        connections, failed = sum(one.connections for one in loads), sum(one.failed for one in loads)
        generation = self.status_of(server)[1]["generation"]
        print(
            f"  {server.name}: {requests.sent} requests in {seconds} s, {requests.answers} answered, {requests.refused} "
            f"refused, slowest {requests.slowest * 1000:.0f} ms, generation {generation}; connections {connections}, "
            f"failed {failed}; "
            f"status {asked} times true; grown by at most {max(after[pid][0] - before[pid][0] for pid in before)} KiB, "
            f"descriptors {sum(one[1] for one in before.values())} then {sum(one[1] for one in after.values())}"
        )
        faults = "".join(one.faults for one in loads)
        self.assertEqual((requests.answers, requests.refused, failed), (requests.sent, 0, 0), faults)
        self.assertGreater(connections, seconds * 2)
        self.assert_no_growth(before, after, GROWTH_KIB)
        self.no_zombies(server)

    # 100 requests a second

    def test_requests_through_the_keeper(self):
        server = self.make(Nginx, level="error")
        sha256 = server.write_file("big", 64 << 20)
        ini = self.ini({"tlsgraft": {"log_level": "warn"}, "server": self.mutual(self.pairs[0])})
        server.start(wrap=self.graft.run(ini))
        download = Download(server.port, self.good, "/files/big", sha256)
        requests = self.requests(0.01, BySocket(self.tree_name(server.pid), ahead=True), every=10)
        seconds = long_or_short(60, 6)
        self.storm(server, requests, seconds, Load(server.port, self.good, 2))
        self.assertIsNone(download.finish())
        self.assertGreater(requests.sent, seconds * 5)

    def signals(self, kind, number, conversation=(), to=lambda server: server.pid, **options):
        server = self.start(kind, {"reload_signal": number.name.removeprefix("SIG")}, **options)
        wait_until(lambda: kind is not Nginx or len(server.workers()) == 2, 5, "workers")
        requests = self.requests(0.01, BySignal(to(server), number))
        self.storm(server, requests, long_or_short(60, 4), Load(server.port, self.good, 2, conversation))

    def test_signals_to_redis(self):
        self.signals(Redis, signal.SIGHUP, ("PING\r\nQUIT\r\n", "+PONG\r\n", "+OK\r\n"))

    def test_signals_to_python(self):
        self.signals(PythonSsl, signal.SIGHUP)

    def test_signals_to_python_with_a_handler_of_its_own(self):
        self.signals(OwnHandler, signal.SIGHUP)

    def test_signals_to_python_by_another_number(self):
        self.signals(PythonSsl, signal.SIGUSR2)

    def test_signals_to_nginx_that_reopens_its_logs(self):
        self.signals(Nginx, signal.SIGUSR1, level="error")

    def test_signals_to_a_worker_of_nginx(self):
        self.signals(Nginx, signal.SIGUSR1, to=lambda server: server.workers()[0], level="error")

    # a process for each connection

    def test_forks_while_generations_change(self):
        server = self.start(Forking)
        requests = self.requests(0.003, BySocket(self.tree_name(server.pid)))
        self.storm(server, requests, long_or_short(60, 6), Load(server.port, self.good, 4))
        wait_until(lambda: procs.descendants(server.pid) == [], 5, "the end of every process")
        wait_until(lambda: procs.zombies_below(server.pid) == [], 5, "no zombie of the server's")
        family = self.family(server)
        self.assertTrue(server.stop())
        for pid in family:
            self.gone(pid)

    # many connections

    def test_many_connections_through_a_reload(self):
        count = long_or_short(5000, 500)
        server = self.start(Nginx, level="error", connections=2 * count)
        clients = ManyClients(server.port, self.good, count)
        workers = sorted(server.workers())
        self.assertEqual(len(workers), 2)
        self.addCleanup(clients.process.wait)
        self.addCleanup(clients.process.kill)
        self.assertEqual(clients.open, count)
        first = clients.ask()
        self.pair(self.pairs[1])
        self.assert_reloaded(server)
        then = clients.ask()
        more = Load(server.port, self.good, 2)
        wait_until(lambda: self.probe(server, who=self.good).chain_sha256 == self.pairs[1].chain_sha256, 3, "the new one")
        self.all_workers_serve(server, self.pairs[1], self.good, 12)
        self.assertEqual(clients.ask(), count)
        more.stop()
        memory = procs.memory_kib(clients.process.pid)
        print(f"  {clients.open} connections open, answered {first} before and {then} after the reload; {more.connections} "
              f"new, failed {more.failed}; the client has {memory >> 10} MiB")
        self.assertEqual((first, then, more.failed), (count, count, 0))
        self.assertEqual(sorted(server.workers()), workers, "nginx itself was not reloaded")
        clients.close()
