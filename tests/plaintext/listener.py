# SPDX-License-Identifier: Apache-2.0
"""A server whose port is a plaintext listener, and clients of it."""

from support.case import ServerCase
from support.live import Bare, Live
from support.procs import wait_until

from plaintext.row import Row
from plaintext.stores import Redis

PING, PONG = b"PING\r\n", b"+PONG\r\n"


class Listener(ServerCase):
    def setUp(self):
        super().setUp()
        self.serving = self.pki.server("rsa")
        self.good = self.pki.clients["good"]
        self.connections = []

    def start(self, kind=Redis, sections=None, **keys):
        self.server = self.make(kind)
        self.write(sections, **keys)
        options = ("--user", kind.run_user) if kind.run_user else ()
        if kind.run_user:
            self.server.give_to(kind.run_user)
        return self.server.start(wrap=self.graft.run(self.home / "site.ini", *options), environment=self.graft.environment())

    def write(self, sections=None, **keys):
        listener = {
            "listen": f"127.0.0.1:{self.server.port}", "server_speaks": "plaintext", **self.mutual(self.serving, **keys),
        }
        return self.ini({"listener plain": listener, **(sections or {})})

    def reload(self, **keys):
        self.write(**keys)
        self.assert_reloaded(self.server)

    def opened(self, connection):
        self.connections.append(connection)
        return connection

    def tearDown(self):
        """Some servers do not end before their clients have gone, plainly started or not."""
        for connection in self.connections:
            connection.close()
        super().tearDown()

    def by_tls(self, who=None, **options):
        return self.opened(Live(self.server.port, who or self.good, **options))

    def bare(self):
        return self.opened(Bare(self.server.port))

    def answers(self, connection, to=PING, wanted=PONG):
        said = connection.ask(to, lambda data: data == wanted)
        self.assertEqual(said, wanted)

    def assert_shut_out(self, connection, to=PING):
        """Nothing of the server's comes, and an end."""
        Row.assert_no_data(self, connection.ask(to))
        self.assertTrue(connection.over)

    def plaintext(self):
        return self.graft.status(self.server.pid)["sections"][0]["plaintext"]

    def counted(self, name, number):
        wait_until(lambda: self.plaintext()[name] == number, 5, f"{number} {name} in {self.plaintext()}")
