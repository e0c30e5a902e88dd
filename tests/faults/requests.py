# SPDX-License-Identifier: Apache-2.0
"""Requests to reload at a steady pace, through the keeper's own socket or by a signal, each after a renewal."""

import json
import os
import select
import socket
import struct
import threading
import time

from support import procs

_MAGIC, _LAYOUT, _RELOAD = 0x68637467, 1, 3


class Requests(threading.Thread):
    """A request every `interval` seconds until stop(); before each `every`th the next of `pairs` goes to `cert` and `key`.

    `way`: send() makes a request, answered() returns the verdicts that came since, as (accepted, seconds).
    """

    def __init__(self, pairs, cert, key, interval, way, every=1):
        super().__init__(daemon=True)
        self.pairs, self.cert, self.key, self.interval, self.way, self.every = pairs, cert, key, interval, way, every
        self.sent = self.answers = self.refused = 0
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
                if self.sent % self.every == 0:
                    self.newest = self.pairs[self.sent // self.every % len(self.pairs)]
                    self.put(self.newest)
                self.way.send()
                self.sent += 1
                self.hear(0)
                due = max(due + self.interval, time.monotonic() - 1)
                self.ending.wait(max(0, due - time.monotonic()))
            end = time.monotonic() + 20
            while self.way.waiting() and time.monotonic() < end:
                self.hear(0.1)
            if self.way.waiting():
                self.problem = "a request that is never answered"
        except (OSError, ValueError) as fault:
            self.problem = fault

    def hear(self, seconds):
        for accepted, took in self.way.answered(seconds):
            self.answers += 1
            self.refused += not accepted
            self.slowest = max(self.slowest, took)

    def stop(self):
        self.ending.set()
        self.join()
        if self.problem is not None:
            raise AssertionError(f"after {self.sent} requests: {self.problem}")
        return self


class BySocket:
    """As `tlsgraft reload` asks, without a process for each; `ahead`: without waiting for the one before."""

    def __init__(self, tree, ahead=False):
        self.name = b"\0tlsgraft/" + tree.encode()
        self.ahead = ahead
        self.asked = {}

    def send(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(self.name)
        connection.send(struct.pack("III", _MAGIC, _LAYOUT, _RELOAD))
        self.asked[connection] = time.monotonic()

    def waiting(self):
        return len(self.asked)

    def answered(self, seconds=20):
        if not self.ahead:
            seconds = 20
        for connection in select.select(list(self.asked), [], [], seconds)[0]:
            with connection:
                accepted = json.loads(connection.recv(65536))["verdict"] == "accepted"
                yield accepted, time.monotonic() - self.asked.pop(connection)


class BySignal:
    """Nobody answers; that the process lives is all that is asked."""

    def __init__(self, pid, number):
        self.pid, self.number = pid, number

    def send(self):
        os.kill(self.pid, self.number)

    def waiting(self):
        return 0

    def answered(self, _):
        return [(procs.alive(self.pid), 0)]
