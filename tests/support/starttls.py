# SPDX-License-Identifier: Apache-2.0
"""Servers whose clients begin in plaintext and ask for TLS: what libssl never sees is up to a switch of their own."""

import shutil
import tempfile
from pathlib import Path

from support import client
from support.case import Context
from support.server import PLACEHOLDER_BODY, Server


def cached_folder(name, make):
    """A folder that `make(path)` fills once in a run: a database costs seconds."""
    folder = Path(Context.home) / name
    if not folder.exists():
        fresh = folder.with_suffix(".fresh")
        shutil.rmtree(fresh, ignore_errors=True)
        make(fresh)
        fresh.rename(folder)
    return folder


def short_folder():
    """For Unix sockets, whose paths are short: not below a folder that carries the name of a test."""
    folder = Path(tempfile.mkdtemp(prefix="s", dir=Context.home))
    folder.chmod(0o755)
    return folder


def plaintext_note(switch):
    return f"a client that never asks for TLS is served in plaintext, unless the server's own switch forbids it: {switch}"


class StarttlsServer(Server):
    """`tls_only`: with the server's own switch that closes plaintext, which `closes_plaintext` names."""

    closes_plaintext = "?"
    speaks_first = True
    plain_source = "127.0.0.1"  # the address of a client that the server takes for a distant one

    def __init__(self, home, own, native=None, tls_only=False):
        self.tls_only = tls_only
        super().__init__(home, own, native)

    def plain_request(self, host):
        """The request as a client that never asks for TLS sends it."""
        return self.request(host)

    def in_plaintext(self, host, source=None):
        """What a client that never asks for TLS gets."""
        source = source or self.plain_source
        return client.plain(self.port, self.plain_request(host), self.speaks_first, source=source)

    def curl(self, scheme, who, ca, path=""):
        """The words that make curl insist on TLS, with its data connections too."""
        words = ["curl", "-sS", "--max-time", 10, "--ssl-reqd", "--cacert", ca]
        words += ["--resolve", f"one.example:{self.port}:127.0.0.1"]
        if who:
            words += ["--cert", who.cert, "--key", who.key]
        return [*words, f"{scheme}://one.example:{self.port}/{path}"]


class FtpServer(StarttlsServer):
    """One anonymous user and a folder; without `starttls` the control connection is TLS from its first byte."""

    probe_options = {"starttls": "ftp"}
    scheme = "ftp"
    client = "curl"

    def make_public(self):
        folder = self.home / "public"
        folder.mkdir(mode=0o755)
        (folder / "file").write_text(f"{PLACEHOLDER_BODY}\n")

    def request(self, host):
        return b"USER anonymous\r\nPASS guest@client.example\r\nTYPE I\r\nSIZE file\r\nQUIT\r\n"

    def conversation(self, host):
        return [(b"USER anonymous\r\n", b"331 "), (b"PASS guest@client.example\r\n", b"230 "), (b"NOOP\r\n", b"200 ")]

    def client_words(self, who, ca):
        """Its data connection is TLS as well."""
        return self.curl(self.scheme, who, ca, "file")

    def client_served(self, done):
        return done.stdout == f"{PLACEHOLDER_BODY}\n".encode()

    def is_answer(self, data, host):
        size = len(PLACEHOLDER_BODY) + 1
        return b"230 " in data and b"213 %d\r\n" % size in data and b"221 " in data
