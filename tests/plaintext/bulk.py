# SPDX-License-Identifier: Apache-2.0
"""Servers that get much, or many: each with a way to send it bytes and get them back."""

import itertools
import socket

from support import procs
from support.build import compiled
from support.server import PLACEHOLDER_BODY

from plaintext import stores
from plaintext.server import PlainServer

_NGINX = """
user www-data;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {home}/nginx.pid;
error_log {home}/error.log error;
events {{ worker_connections 16000; }}
http {{
    sendfile on;
    tcp_nopush on;
    access_log off;
    keepalive_timeout 600;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
    uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {home}/www; dav_methods PUT; }}
}}
"""


class Wire:
    """A connection (support/live.py) of which exact bytes are expected."""

    def __init__(self, connection):
        self.close = connection.close
        self._socket = connection.socket
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, *parts):
        for part in parts:
            self._socket.sendall(part)

    def read(self, size):
        found = bytearray(size)
        at = min(size, len(self._rest))
        found[:at], self._rest = self._rest[:at], self._rest[at:]
        view = memoryview(found)
        while at < size:
            got = self._socket.recv_into(view[at:])
            if got == 0:
                raise AssertionError(f"the connection ended after {at} of {size} bytes")
            at += got
        return found

    def expect(self, right):
        found = self.read(len(right))
        if found != right:
            raise AssertionError(f"{found[:60]!r} instead of {bytes(right[:60])!r}")

    def head(self, end=b"\r\n\r\n"):
        """What comes before `end`."""
        while end not in self._rest:
            part = self._socket.recv(65536)
            if not part:
                raise AssertionError(f"the connection ended in {self._rest[:60]!r}")
            self._rest += part
        head, _, self._rest = self._rest.partition(end)
        return head


class Bulk(PlainServer):
    """`largest`: of what is sent at once. `conversation`: a request and the end of its answer."""

    largest = 900_001
    conversation = ()

    def exchange(self, wire, piece):
        """Sends `piece` and gets it back. Raises where that is not the same."""
        raise NotImplementedError

    def sizes(self):
        """Odd ones, around records of TLS and buffers of the kernel, for ever."""
        return itertools.cycle(size for size in (
            1, 16383, 3, 16385, 65537, 99991, 5, 1001, 300_007, 16384, 777_777, 32769, self.largest,
        ) if size <= self.largest)

    def family(self):
        """The processes that have connections."""
        return self.workers() or [self.pid]

    def memory(self):
        return sum(procs.share_kib(pid) for pid in self.family())

    def descriptors(self):
        return sum(procs.descriptors(pid) for pid in self.family())


class Redis(Bulk, stores.Redis):
    conversation = ("PING\r\n", "+PONG\r\n")

    def command(self):
        return [*super().command(), "--maxclients", 15000, "--tcp-backlog", 4096, "--timeout", 0]

    def exchange(self, wire, piece):
        wire.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % len(piece), piece, b"\r\n")
        wire.expect(b"+OK\r\n")
        wire.send(b"GET k\r\n")
        wire.expect(b"$%d\r\n" % len(piece))
        wire.expect(piece)
        wire.expect(b"\r\n")


class Memcached(Bulk, stores.Memcached):
    conversation = ("version\r\n", "\r\n")

    def command(self):
        return [*super().command(), "-c", 15000, "-b", 4096, "-t", 2]

    def exchange(self, wire, piece):
        wire.send(b"set k 0 0 %d\r\n" % len(piece), piece, b"\r\n")
        wire.expect(b"STORED\r\n")
        wire.send(b"get k\r\n")
        wire.expect(b"VALUE k 0 %d\r\n" % len(piece))
        wire.expect(piece)
        wire.expect(b"\r\nEND\r\n")


class Nginx(Bulk):
    name = "nginx"
    executable = "/usr/sbin/nginx"
    conversation = ("GET /small HTTP/1.1\r\nHost: one.example\r\n\r\n", f"{PLACEHOLDER_BODY}\n")

    def configure(self):
        folder = self.home / "www"
        folder.mkdir()
        folder.chmod(0o777)
        (folder / "small").write_text(f"{PLACEHOLDER_BODY}\n")
        (self.home / "nginx.conf").write_text(_NGINX.format(home=self.home, port=self.port))

    def command(self):
        return [self.executable, "-c", self.home / "nginx.conf", "-e", self.home / "error.log"]

    def exchange(self, wire, piece):
        wire.send(b"PUT /k HTTP/1.1\r\nHost: one.example\r\nContent-Length: %d\r\n\r\n" % len(piece), piece)
        self._answered(wire)
        wire.send(b"GET /k HTTP/1.1\r\nHost: one.example\r\n\r\n")
        head = self._answered(wire)
        if b"Content-Length: %d\r\n" % len(piece) not in head:
            raise AssertionError(f"another length: {head!r}")
        wire.expect(piece)

    @staticmethod
    def _answered(wire):
        head = wire.head() + b"\r\n"
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201", b"HTTP/1.1 204")):
            raise AssertionError(f"{head[:60]!r}")
        return head


class Echo(Bulk):
    """tests/support/echo.c, which blocks. `way`: what it makes for each connection."""

    largest = 100_003
    conversation = ("beside them\n", "\n")
    executable = "/bin/sh"  # until it is compiled
    way = None

    def configure(self):
        self.executable = str(compiled("echo.c", "-pthread"))

    def command(self):
        return [self.executable, self.port, self.way]

    def exchange(self, wire, piece):
        wire.send(piece)
        wire.expect(piece)

    def slots(self):
        """Connections that it is busy with."""
        return len(procs.descendants(self.pid)) if self.way == "fork" else procs.threads(self.pid) - 1

    def descriptors(self):
        return procs.descriptors(self.pid)


class Forking(Echo):
    name = "forking"
    way = "fork"


class Threaded(Echo):
    name = "threaded"
    way = "thread"
