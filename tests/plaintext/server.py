# SPDX-License-Identifier: Apache-2.0
"""A server that speaks plaintext: what is said to it, what a client program does, where it shows a client's address."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from support import procs
from support.server import PLACEHOLDER_BODY, Server

UNPACKED = Path(__file__).resolve().parents[2] / "build-unpacked"
BODY = f"{PLACEHOLDER_BODY}\n".encode()
BIG = b"".join(b"%08d\n" % number for number in range(40000))  # 360,000 bytes: more than one write takes
LONG_AGO = 1_000_000_000  # of files that are served: what tells their age is the same in two runs
SPACE = "127.0.0.0/8"  # where clients come from


class PlainServer(Server):
    """One of them. It is started twice, plainly and under tlsgraft, and both must say the same."""

    hosts = 0
    engine = "direct"
    keys = {}  # of its section, beside what every row has
    notes = "none"
    client = "curl"
    by_socat = False  # the client program cannot speak TLS from the first byte: a tunnel does
    serial = False  # one connection at a time, so that a silent client would keep everybody out
    address_in = "log"
    proof = PLACEHOLDER_BODY.encode()  # in what it answers

    def talk(self):
        """[(what to send, how the answer ends)]: bytes, a function of the answer, or None for the end of the connection."""
        raise NotImplementedError

    def same(self, data):
        """`data` without what differs from run to run."""
        return data

    def words(self, port, tls):
        """A client program and its arguments. `tls`: who, a Credential or None, and the file `ca`; None: in plaintext."""
        raise NotImplementedError

    def shows(self, address, said):
        """True where the server says that a client came from `address`. `said`: what it answered to that client."""
        del said
        return address in self.log_text()

    def is_ready(self):
        return procs.listening(self.port)


def whole(end, data):
    """True of an answer that ends as `end` says."""
    if end is None:
        return False
    return end(data) if callable(end) else end in data


def talked(connection, talk):
    """The answers, and how the connection ended: (list of bytes, "open", "closed" or "broken").

    Where a step wants the end of the connection, that comes behind its answer.
    """
    answers = [connection.ask(question, lambda data, end=end: whole(end, data)) for question, end in talk]
    return answers, "broken" if connection.broken else "closed" if connection.over else "open"


class HttpServer(PlainServer):
    """Two requests on one connection."""

    path = "/"
    query = ""

    def get(self, path, close=True):
        return f"GET {path} HTTP/1.1\r\nHost: one.example\r\nConnection: {'close' if close else 'keep-alive'}\r\n\r\n".encode()

    def talk(self):
        return [(self.get(self.path, close=False), BODY), (self.get(self.path), None)]

    def same(self, data):
        data = re.sub(rb"(?im)^((?:date|expires|etag): ).*$", rb"\1-\r", data)
        return data.replace(str(self.home).encode(), b"HOME").replace(b":%d" % self.port, b":PORT")

    def words(self, port, tls):
        target = f"one.example:{port}"
        words = ["curl", "-sS", "--max-time", "10", "--resolve", f"{target}:127.0.0.1"]
        if not tls:
            return [*words, f"http://{target}{self.path}"]
        who, ca = tls
        shown = ["--cert", who.cert, "--key", who.key] if who else []
        return [*words, "--cacert", ca, *shown, f"https://{target}{self.path}"]


class FileServer(HttpServer):
    """Files of `self.home`/www; the second request is for a big one."""

    path = "/file.txt"

    def write_files(self):
        folder = self.home / "www"
        folder.mkdir(mode=0o755)
        for name, content in (("file.txt", BODY), ("big.txt", BIG)):
            (folder / name).write_bytes(content)
            os.utime(folder / name, (LONG_AGO, LONG_AGO))
        return folder

    def talk(self):
        return [(self.get(self.path, close=False), BODY), (self.get("/big.txt"), None)]


class LineServer(PlainServer):
    """A filter for lines, started for each connection, or one for all: ends its connection after `quit`."""

    filter = "sed -u /^quit/q"
    client = "socat"
    proof = b"hello\nquit\n"

    def talk(self):
        return [(b"hello\n", b"hello\n"), (b"more\nquit\n", None)]

    proof = b"hello\nmore\nquit\n"

    def words(self, port, tls):
        return by_lines("hello\\nquit\\n", port, tls)


def by_lines(text, port, tls):
    """A command that sends `text`, in which printf(1) finds \\n, and prints what comes until the server closes."""
    return ["sh", "-c", f"printf '{text}' | socat -,ignoreeof!!- {shlex.quote(socat_address(port, tls))}"]


def socat_address(port, tls):
    if not tls:
        return f"TCP:127.0.0.1:{port}"
    who, ca = tls
    shown = f",cert={who.cert},key={who.key}" if who else ""
    return f"OPENSSL:127.0.0.1:{port},cafile={ca},commonname=one.example,snihost=one.example{shown}"


class Tunnel:
    """socat, which takes plaintext on `port` of 127.0.0.1 and speaks TLS for it."""

    def __init__(self, port, target, tls):
        self.port = port
        self._process = subprocess.Popen(
            ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", socat_address(target, tls)],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        procs.wait_until(lambda: procs.listening(port), 5, "socat listens")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
