# SPDX-License-Identifier: Apache-2.0
"""Who gives sockets to servers from outside of any tree: an inetd, systemd, a process that passes connections."""

import array
import fcntl
import os
import socket
import struct
import subprocess
import threading

from support.ports import free_port


class Giver:
    """Listens on `port`. `start(words, environment, number)` starts a program that is given something at each number."""

    def __init__(self):
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.processes = []

    def start(self, words, given, environment=None, output=subprocess.DEVNULL):
        """`given`: {number: socket}. Numbers 0 to 2 that are not given are /dev/null, and `output`."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("TLSGRAFT_", "LD_PRELOAD", "LISTEN_"))}
        env.update(environment or {})
        # out of the way of the numbers that are given
        high = {number: os.dup(one.fileno()) for number, one in given.items()}
        high = {number: self._above(low, 800) for number, low in high.items()}

        def give():
            for number, fd in high.items():
                os.dup2(fd, number, inheritable=True)

        try:
            process = subprocess.Popen(
                [*map(str, words)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, preexec_fn=give,
                close_fds=False,
            )
        finally:
            for fd in high.values():
                os.close(fd)
        self.processes.append(process)
        return process

    @staticmethod
    def _above(low, least):
        made = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, least)
        os.close(low)
        return made

    def stop(self):
        self.listener.close()
        for process in self.processes:
            process.kill()
            process.wait()


class Inetd(Giver):
    """Starts a program for each connection, which it is given at `numbers`."""

    def __init__(self, words, numbers, environment=None, output=subprocess.DEVNULL):
        super().__init__()
        self._serve = lambda connection: self.start(words, dict.fromkeys(numbers, connection), environment, output)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        super().stop()


class Passer(Giver):
    """Accepts connections and passes each to one program, which has the other end of a socket pair at 3."""

    def __init__(self, words, environment=None, how="connections", output=subprocess.DEVNULL):
        super().__init__()
        self._ours, theirs = socket.socketpair()
        self._kept = []
        self.process = self.start(words, {3: theirs}, environment, output)
        theirs.close()
        self._pass = {"connections": self._send, "numbers": self._tell}.get(how)
        if self._pass:
            self._thread = threading.Thread(target=self._accept, daemon=True)
            self._thread.start()
        else:
            self._thread = None
            self._send(self.listener)

    def _send(self, one):
        self._ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [one.fileno()]))])

    def _tell(self, one):
        self._kept.append(one.dup())
        self._ours.sendall(struct.pack("ii", os.getpid(), self._kept[-1].fileno()))

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self._pass(connection)

    def stop(self):
        if self._thread:
            self.listener.shutdown(socket.SHUT_RDWR)
            self._thread.join()
        for one in self._kept:
            one.close()
        self._ours.close()
        super().stop()
