# SPDX-License-Identifier: Apache-2.0
"""What attached processes ask of the relay is done in the order in which they asked; its threads have processors of their own."""

import ctypes
import os
import signal
import socket
import struct
from pathlib import Path

from support import procs
from support.procs import wait_until
from support.untrusted_relay import GET, SET, connection, request, send

from plaintext.listener import Listener

PIDFD_GETFD = 438  # pidfd_getfd(2)
MOST = 64  # threads that carry; where there are more processors they go where there is room


def server_end(pid):
    """A copy of the one descriptor that this process has in place of a real connection."""
    whole = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if not os.readlink(entry).startswith("socket:"):
                continue
            copy = socket.socket(fileno=ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, whole, int(entry.name), 0))
            name = copy.getsockname() if copy.family == socket.AF_UNIX else None
            if isinstance(name, bytes) and name.startswith(b"\0tlsgraft/"):
                return copy
            copy.close()
    finally:
        os.close(whole)
    raise AssertionError(f"process {pid} has no server's end")


def set_idle(seconds):
    return request(SET, 4, level=socket.IPPROTO_TCP, option=socket.TCP_KEEPIDLE, value=struct.pack("i", seconds) + bytes(508))


def get(level, option):
    return request(GET, 4, level=level, option=option)


def get_idle():
    return get(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)


def answered(made):
    """The result, and the number that came with it."""
    _, result, size, number = struct.unpack_from("=IiIi", made.recv(4096))
    return result, number if size == 4 else None


class RelayOptions(Listener):
    def begin(self):
        self.start(engine="relay")
        self.answers(self.by_tls())
        keeper = self.graft.status(self.server.pid)["keeper"]
        self.relay = keeper["relay"]
        self.tree = Path(f"/proc/{self.relay}/cmdline").read_text().split("\0")[1]

    def waiting_caller(self):
        """Accepted, and silent."""
        before = procs.descriptors(self.relay)
        made = connection(self.tree)
        wait_until(lambda: procs.descriptors(self.relay) > before, 5, "the relay has accepted a caller")
        return made

    def test_order(self):
        """An option is set by a caller who need not wait for the answer, and asked for by the next one."""
        self.begin()
        with server_end(self.server.pid) as end:
            setter = self.waiting_caller()
            os.kill(self.relay, signal.SIGSTOP)
            try:
                # so that the relay sees this one first
                getter = connection(self.tree)
                send(setter, set_idle(73), [end.fileno()])
                send(getter, get_idle(), [end.fileno()])
            finally:
                os.kill(self.relay, signal.SIGCONT)
            self.assertEqual(answered(getter), (0, 73))
            self.assertEqual(answered(setter)[0], 0)
            setter.close()
            getter.close()

    def test_settings(self):
        """What a server sets in a row is set, though it does not wait for it."""
        self.begin()
        wanted = {
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 300,
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 100,
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
        }
        with server_end(self.server.pid) as end:
            for option, number in wanted.items():
                with connection(self.tree) as made:
                    send(made, get(*option), [end.fileno()])
                    self.assertEqual(answered(made), (0, number))

    def test_processors(self):
        """One thread hears, and goes where there is room; each of the others carries, on a processor of its own."""
        self.begin()
        processors = sorted(os.sched_getaffinity(0))
        threads = [os.sched_getaffinity(int(entry.name)) for entry in Path(f"/proc/{self.relay}/task").iterdir()]
        self.assertEqual(os.sched_getaffinity(self.relay), set(processors))
        carriers = [[one] for one in processors] if len(processors) <= MOST else [processors] * MOST
        self.assertEqual(sorted(map(sorted, threads)), sorted([processors, *carriers]))
