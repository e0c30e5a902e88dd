# SPDX-License-Identifier: Apache-2.0
"""What `status` says of sockets on which no section governs what a server answers."""

from support.ports import free_ports

from case import Case
from site_folder import PYTHON

SERVE = """
import socket, sys, time
kept = []
for name in sys.argv[1:]:
    address, _, port = name.rpartition(":")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((address, int(port)))
    one.listen()
    kept.append(one)
print("up", flush=True)
time.sleep(60)
"""


class Sockets(Case):
    def start(self, listen, *sockets):
        self.site.ini.write_text(
            "[listener redis]\nserver_speaks = plaintext\nmode = mutual\ncert = certs/server.pem\nkey = certs/server.key\n"
            "ca = certs/ca.pem\n" + "".join(f"listen = {one}\n" for one in listen)
        )
        return self.site.start(PYTHON, "-c", SERVE, *sockets)

    def unprotected(self, server):
        return [(one["listen"], one["plaintext"], one["section"]) for one in self.site.status(server.pid)["unprotected"]]

    def test_a_plaintext_server_beyond_its_section(self):
        port, other = free_ports(2)
        section = "listener redis"
        for listen, sockets, open_ones in (
            (["127.0.0.1"], ["127.0.0.1"], []),
            (["127.0.0.1"], ["127.0.0.1", "::1"], [("[::1]", True, section)]),
            (["127.0.0.1"], ["0.0.0.0", "::"], [("0.0.0.0", True, section), ("[::]", True, section)]),
            (["*"], ["0.0.0.0", "::"], []),
        ):
            with self.subTest(listen=listen, sockets=sockets):
                server = self.start([f"{one}:{port}" for one in listen], *[f"{one}:{port}" for one in sockets])
                self.assertEqual(self.unprotected(server), [(f"{name}:{port}", *rest) for name, *rest in open_ones])
                done = self.site.command("status", server.pid)
                self.assert_exit(done, 1 if open_ones else 0)
                self.assertEqual(done.stdout.count("answers in plaintext"), len(open_ones), done.stdout)
                self.end(server)
        server = self.start([f"127.0.0.1:{port}"], f"127.0.0.1:{port}", f"127.0.0.1:{other}")
        self.assertEqual(self.unprotected(server), [(f"127.0.0.1:{other}", False, "")])
        self.assert_exit(self.site.command("status", server.pid), 0, f"no section governs the listening socket 127.0.0.1:{other}")
