# SPDX-License-Identifier: Apache-2.0
"""A server that is process 1, to whom orphans fall: PostgreSQL ends all sessions when one of them dies badly."""

import contextlib
import shutil

from support import procs
from support.procs import wait_until

from faults.case import FaultCase
from faults.database import ContainedPostgresql


class ProcessOne(FaultCase):
    def start(self, by_hand=False):
        server = self.make(ContainedPostgresql)
        ini = self.ini({"tlsgraft": {"user": "postgres"}, "server": self.mutual(self.pairs[0])})
        if by_hand:
            # as an image does it: the whole tree, keeper and all, as the user postgres
            self.give_away()
            drop = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
            made = [f"{name}={value}" for name, value in self.graft.preload(ini).items()]
            return server.start(wrap=server.contained(*drop, "env", *made))
        return server.start(wrap=server.contained(*self.graft.run(ini, "--user", "postgres")))

    def give_away(self):
        for path in self.home.iterdir():
            if path.is_file():
                shutil.chown(path, "postgres", "postgres")

    @contextlib.contextmanager
    def session_that_lives(self, server):
        """A session with a statement that runs all the while, and one that is idle."""
        busy, idle = server.session(self.good), server.session(self.good)
        backend = idle.ask("SELECT pg_backend_pid()")
        busy.send("SELECT 'slept', pg_sleep(3)")
        wait_until(lambda: len(server.backends()) == 2, 5, "two backends")
        before = sorted(server.backends())
        self.addCleanup(busy.end)
        self.addCleanup(idle.end)
        yield
        self.assertEqual(busy.answer(), "slept|", "the statement that ran all the while")
        self.assertEqual(idle.ask("SELECT pg_backend_pid()"), backend, "the same session")
        self.assertEqual(sorted(server.backends()), before)
        for session in (busy, idle):
            self.assertEqual(session.close(), (0, ""))

    def outlives(self, server):
        guardian, worker = self.family(server)
        with self.session_that_lives(server):
            procs.kill(worker)
            again = wait_until(lambda: self.another(server, worker), 2, "a new worker")
            self.pair(self.pairs[1])
            if procs.user_ids(guardian)[1] != 0:
                self.give_away()
            self.assert_reloaded(server)
            procs.kill(guardian)
            for pid in (guardian, again):
                self.gone(pid, 2)
        code, tree = self.status_of(server)
        self.assertEqual((code, tree["keeper"]["alive"], tree["generation"]), (1, False, 2))
        session = server.session(self.good)
        self.assertEqual(session.ask("SELECT 1"), "1", "new sessions too")
        session.close()
        nobody = server.session(self.pki.clients["wrong CA"])
        self.assertNotEqual(nobody.close()[0], 0)

    def another(self, server, worker):
        pid = self.family(server)[1]
        return pid if pid != worker else None

    def test_worker_and_guardian_killed(self):
        self.outlives(self.start())

    def test_worker_and_guardian_killed_of_a_start_by_hand(self):
        self.outlives(self.start(by_hand=True))

    def test_both_killed_at_once(self):
        server = self.start()
        with self.session_that_lives(server):
            for pid in self.family(server):
                procs.kill(pid)

    def test_the_keeper_ends_with_it(self):
        server = self.start()
        family = self.family(server)
        self.assertTrue(server.stop())
        for pid in family:
            self.gone(pid)
