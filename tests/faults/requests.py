"""Requests to reload at a steady pace, through the keeper's own socket or by a signal, each after a renewal."""

import json
import os
import socket
import struct
import threading
import time

from support import procs

_MAGIC, _LAYOUT, _RELOAD = 0x68637467, 1, 3


class Requests(threading.Thread):
    """`pairs` in turn at `cert` and `key`; then one request, every `interval` seconds, until stop().

    `send`: what a request is; it returns True where it was accepted.
    """

    def __init__(self, pairs, cert, key, interval, send):
        super().__init__(daemon=True)
        self.pairs, self.cert, self.key, self.interval, self.send = pairs, cert, key, interval, send
        self.sent = self.refused = 0
        self.slowest = 0.0
        self.problem = None
        self.newest = None
        self.ending = threading.Event()
        self.start()

    def put(self, pair):
        for source, target in ((pair.key, self.key), (pair.cert, self.cert)):
            fresh = f"{target}.next"
            os.link(source, fresh)
            os.replace(fresh, target)

    def run(self):
        due = time.monotonic()
        try:
            while not self.ending.is_set():
                self.newest = self.pairs[self.sent % len(self.pairs)]
                self.put(self.newest)
                began = time.monotonic()
                self.refused += not self.send()
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.sent += 1
                due = max(due + self.interval, time.monotonic() - 1)
                self.ending.wait(max(0, due - time.monotonic()))
        except OSError as fault:
            self.problem = fault

    def stop(self):
        self.ending.set()
        self.join(30)
        if self.is_alive():
            self.problem = "a request that is never answered"
        if self.problem is not None:
            raise AssertionError(f"after {self.sent} requests: {self.problem}")
        return self


def by_socket(tree):
    """A request as `tlsgraft reload` makes it, without a process for each."""
    request = struct.pack("III", _MAGIC, _LAYOUT, _RELOAD)

    def send():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(20)
            connection.connect(b"\0tlsgraft/" + tree.encode())
            connection.send(request)
            return json.loads(connection.recv(65536))["verdict"] == "accepted"

    return send


def by_signal(pid, number):
    def send():
        procs.kill(pid, number)
        return procs.alive(pid)

    return send
