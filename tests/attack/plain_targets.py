# SPDX-License-Identifier: Apache-2.0
"""Servers that speak plaintext, with TLS spoken for them by either engine."""

from support import procs

from attack.targets import Attacked
from plaintext.server import PlainServer
from plaintext.stores import Memcached, Redis


class SpokenFor(Attacked):
    """[server] of what they are attacked under is their [listener]: TLS is spoken on named addresses only."""

    spoken_for = True
    engine = "direct"

    def sections(self, sections):
        listener = {"listen": f"127.0.0.1:{self.port}", "server_speaks": "plaintext", "engine": self.engine}
        return {("listener plain" if name == "server" else name): (
            {**listener, **keys} if name == "server" else keys) for name, keys in sections.items()}

    def beside(self, tree):
        """The guardian, the worker and the relay: what untrusted processes send to the relay is the relay's to live through."""
        keeper = tree["keeper"]["pid"]
        return [keeper, *procs.descendants(keeper)]


class SpokenRedis(SpokenFor, Redis):
    label = "Redis-direct"
    under_asan = True
    side_effect = b"SET stolen 1\r\n"
    side_effect_request = b"GET stolen\r\nPING\r\nQUIT\r\n"

    def request(self, host):
        return b"PING\r\nQUIT\r\n"

    def is_answer(self, data, host):
        return data.endswith(b"+PONG\r\n+OK\r\n")

    def shows_side_effect(self, data):
        return data.startswith(b"$1\r\n1")


class RelayedRedis(SpokenRedis):
    label = "Redis-relay"
    engine = "relay"


class SpokenMemcached(SpokenFor, Memcached):
    label = "memcached-direct"
    under_asan = True
    side_effect = b"set stolen 0 0 1\r\n1\r\n"
    side_effect_request = b"get stolen\r\nversion\r\nquit\r\n"

    def request(self, host):
        return b"version\r\nquit\r\n"

    def is_answer(self, data, host):
        return data.endswith(b"\r\n") and b"VERSION " in data

    def shows_side_effect(self, data):
        return data.startswith(b"VALUE stolen 0 1\r\n1")


class RelayedMemcached(SpokenMemcached):
    label = "memcached-relay"
    engine = "relay"


_GREETER = """
import socketserver, sys
class Greeter(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 greeting\\r\\n")
        for line in self.rfile:
            self.wfile.write(b"250 " + line)
            if line == b"QUIT\\r\\n":
                break
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64
Server(("127.0.0.1", int(sys.argv[1])), Greeter).serve_forever()
"""


class Greeter(SpokenFor, PlainServer):
    """Says something as soon as somebody is connected, before it knows who."""

    name = "greeter"
    label = "greeter-direct"
    executable = "/usr/bin/python3"
    greets = True

    def configure(self):
        pass

    def command(self):
        return [self.executable, "-c", _GREETER, self.port]

    def request(self, host):
        return b"QUIT\r\n"

    def is_answer(self, data, host):
        return data.startswith(b"220 greeting\r\n") and data.endswith(b"250 QUIT\r\n")


class RelayedGreeter(Greeter):
    label = "greeter-relay"
    engine = "relay"


PLAIN = (SpokenRedis, RelayedRedis, SpokenMemcached, RelayedMemcached, Greeter, RelayedGreeter)
