# SPDX-License-Identifier: Apache-2.0
"""Load on a server: a constant stream of new connections, and one long download."""

import hashlib
import re
import signal
import socket
import ssl
import subprocess
import threading

from support.build import compiled


class Load:
    """New connections until stopped; `connections` and `failed` afterwards.

    `conversation`: a request, how its answer begins, and what it holds; None: HTTP.
    """

    def __init__(self, port, who, threads=4, conversation=()):
        program = compiled("load.c", "-lssl", "-lcrypto", "-pthread")
        self.process = subprocess.Popen(
            [program, str(port), str(who.cert), str(who.key), str(threads), *conversation], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        self.connections = self.failed = None
        self.faults = ""

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        output, self.faults = self.process.communicate(timeout=60)
        match = re.match(r"connections (\d+) failed (\d+)", output)
        self.connections, self.failed = int(match[1]), int(match[2])
        return self


class Download(threading.Thread):
    """One file, read at the client's own pace until `finish`, then the rest at once."""

    PIECE = 16384

    def __init__(self, port, who, path, sha256):
        super().__init__(daemon=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(who.cert, who.key)
        # A small window keeps what is under way between the two small, so that the pace is the client's.
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw.settimeout(30)
        raw.connect(("127.0.0.1", port))
        self.connection = context.wrap_socket(raw)
        self.connection.sendall(f"GET {path} HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n".encode())
        self.expected = sha256
        self.hurry = threading.Event()
        self.received = 0
        self.problem = None
        self.start()

    def run(self):
        digest = hashlib.sha256()
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                piece = self.connection.recv(self.PIECE)
                if not piece:
                    raise ConnectionError("ended in the head")
                head += piece
            digest.update(head.partition(b"\r\n\r\n")[2])
            while True:
                self.hurry.wait(0.05)
                piece = self.connection.recv(self.PIECE)
                if not piece:
                    break
                self.received += len(piece)
                digest.update(piece)
            if digest.hexdigest() != self.expected:
                self.problem = f"content differs after {self.received} bytes"
        except OSError as fault:
            self.problem = f"{fault} after {self.received} bytes"

    def finish(self):
        """None where the file came whole, else what went wrong."""
        if not self.is_alive():
            self.problem = self.problem or "ended before the test did: make the file larger"
        self.hurry.set()
        self.join(60)
        self.connection.close()
        return "did not end" if self.is_alive() else self.problem


class ManyClients:
    """Many connections that stay open, in one process: tests/support/many_clients.c.

    `conversation`: a request, and the end of its answer; None: HTTP.
    """

    def __init__(self, port, who, count, conversation=()):
        program = compiled("many_clients.c", "-lssl", "-lcrypto")
        self.process = subprocess.Popen(
            [program, str(port), str(who.cert), str(who.key), str(count), *conversation], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )
        self.open = self._number("open")

    def _number(self, word):
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != word:
            raise AssertionError(f"many_clients: {line} instead of '{word} N'")
        return int(line[1])

    def ask(self):
        """A request on every connection; how many were answered."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._number("answered")

    def close(self):
        self.process.communicate()


class Rate:
    """Answers that a server gives to connections that ask again and again: tests/support/rate.c. `who` None: in plaintext."""

    def __init__(self, port, who, connections, seconds, request, end, wrap=()):
        program = compiled("rate.c", "-lssl", "-lcrypto", "-pthread")
        words = [*wrap, program, port, who.cert if who else "", who.key if who else "", connections, seconds, request, end]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds + 60, check=True)
        match = re.match(r"answers (\d+) failed (\d+)", done.stdout)
        self.answers, self.failed = int(match[1]), int(match[2])
