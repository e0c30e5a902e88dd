# SPDX-License-Identifier: Apache-2.0
"""Probes: one TLS connection each, by `openssl s_client`, judged by what crossed the wire.

In TLS 1.3 a client's handshake "succeeds" before the server has looked at its certificate, so the exit status says
little. What counts: which certificates the server sent, and whether one byte of its application data came back.
Certificates, alerts and requests are read from the decrypted handshake messages (-msg), data from standard output.
"""

import hashlib
import os
import re
import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path

TLS12 = "1.2"
TLS13 = "1.3"
VERSIONS = (TLS12, TLS13)


def http(host="one.example", path="/"):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


class Result:
    """What one connection showed."""

    def __init__(self, messages, data, log, status):
        self.data = data
        self.log = log
        self.status = status
        self.version = None
        self.chain_sha256 = []
        self.asked = False  # the server sent a CertificateRequest
        self.ca_names = b""  # its body, which holds the names of the CAs
        self.alerts = []  # names of the alerts that the server sent
        self.server_hello = False
        self.finished = False  # the server's Finished came
        self.received = [(kind, len(body)) for direction, _, kind, body in messages if direction == "<<<"]
        for direction, version, kind, body in messages:
            if direction != "<<<":
                continue
            if kind == "Certificate":
                self.chain_sha256 = [hashlib.sha256(der).hexdigest() for der in _certificates(body, version)]
            elif kind == "CertificateRequest":
                self.asked = True
                self.ca_names = body
            elif kind == "ServerHello":
                self.server_hello = True
                self.version = version
            elif kind == "Finished":
                self.finished = True
            elif kind.startswith(("fatal ", "warning ")) and kind != "warning close_notify":
                self.alerts.append(kind.split(" ", 1)[1])
        self.resumed = self.finished and not self.chain_sha256

    @property
    def leaf_sha256(self):
        return self.chain_sha256[0] if self.chain_sha256 else None

    def __str__(self):
        served = (self.leaf_sha256 or "none")[:8]
        return (
            f"TLS {self.version}, served {served}, resumed {self.resumed}, asked {self.asked}, alerts {self.alerts}, "
            f"{len(self.data)} bytes of data {self.data[:60]!r}, status {self.status}, log {self.log.strip()[-200:]!r}"
        )


_HEADER = re.compile(r"^(<<<|>>>) (.*), (Handshake|Alert) \[length ([0-9a-f]+)\](?:, (.*))?$")


def _parse_messages(text):
    found = []
    current = None
    for line in text.splitlines():
        if line.startswith((">>>", "<<<")):
            current = None
            match = _HEADER.match(line)
            if match:
                current = bytearray()
                version = match[2].replace("TLS ", "").replace("TLSv", "")
                found.append((match[1], version, match[5] or "", current))
        elif current is not None and line.startswith("    "):
            words = line.split()
            if all(re.fullmatch("[0-9a-f]{2}", word) for word in words):
                current.extend(bytes.fromhex("".join(words)))
    return [(direction, version, kind, bytes(body)) for direction, version, kind, body in found]


def _certificates(body, version):
    """The certificates of a Certificate message (RFC 5246 7.4.2, RFC 8446 4.4.2)."""
    at = 4
    if version == TLS13:
        at += 1 + body[at]
    end = at + 3 + int.from_bytes(body[at : at + 3], "big")
    at += 3
    ders = []
    while at < end:
        size = int.from_bytes(body[at : at + 3], "big")
        ders.append(body[at + 3 : at + 3 + size])
        at += 3 + size
        if version == TLS13:
            at += 2 + int.from_bytes(body[at : at + 2], "big")
    return ders


def words(port, version=TLS13, client=None, sni="one.example", address="127.0.0.1", starttls=None):
    """The command of one connection that does nothing but carry bytes. `client`: a Credential or None.

    `starttls`: the protocol, as s_client names it, in which TLS is asked for first.
    """
    command = ["openssl", "s_client", "-connect", f"{address}:{port}", "-quiet"]
    command += ["-tls1_3" if version == TLS13 else "-tls1_2"] if version else []
    command += ["-servername", sni] if sni else ["-noservername"]
    command += ["-starttls", starttls] if starttls else []
    if client:
        command += ["-cert", str(client.cert), "-cert_chain", str(client.cert), "-key", str(client.key)]
    return command


def _first(pipe, timeout):
    """What comes first, up to the end or `timeout`."""
    ready, _, _ = select.select([pipe], [], [], timeout)
    return os.read(pipe.fileno(), 65536) if ready else b""


def _talk(command, request, greeting, until, timeout):
    """Runs s_client: its output, its complaints, its status."""
    end = time.monotonic() + timeout
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        data = _first(process.stdout, timeout) if greeting else b""
        whole = False
        if until:
            try:
                process.stdin.write(request)
                process.stdin.flush()
            except BrokenPipeError:
                pass  # refused already
            while not until(data) and (piece := _first(process.stdout, max(end - time.monotonic(), 0))):
                data += piece
            request, whole = None, until(data)
        try:
            rest, log = process.communicate(request, 0.1 if whole else max(end - time.monotonic(), 0))
            return data + rest, log, process.returncode
        except subprocess.TimeoutExpired:  # where all came, it has said good-bye, and waits for the other's
            process.kill()
            rest, log = process.communicate()
            return data + rest, log, 0 if whole else "timeout"


def probe(
    port, request, version=TLS13, client=None, sni="one.example", session_in=None, session_out=None, more=(), timeout=10,
    address="127.0.0.1", greeting=False, starttls=None, until=None,
):
    """One connection: sends `request`, after the server's `greeting` where it has one, and reads until the server closes.

    `until`: of a protocol whose server does not close: true of the bytes of a whole answer.
    """
    with tempfile.TemporaryDirectory(prefix="tg-probe-") as folder:
        messages = Path(folder) / "messages"
        command = [*words(port, version, client, sni, address, starttls), "-msg", "-msgfile", str(messages)]
        if until:
            command += ["-no_ign_eof", "-nocommands"]
        if session_in:
            command += ["-sess_in", str(session_in)]
        if session_out:
            command += ["-sess_out", str(session_out)]
        command += list(more)
        data, log, status = _talk(command, request, greeting, until, timeout)
        log = log.decode(errors="replace") + ("\nno end of the connection in time" if status == "timeout" else "")
        text = messages.read_text() if messages.exists() else ""
    return Result(_parse_messages(text), data, log, status)


def plain(port, request, speaks_first=False, timeout=10, address="127.0.0.1", source="127.0.0.1"):
    """One connection without TLS: sends `request`, reads until the server closes.

    `speaks_first`: the server does, so its first words are waited for. `source`: the client's own address.
    """
    data = b""
    with socket.create_connection((address, port), timeout=timeout, source_address=(source, 0)) as connection:
        if speaks_first:
            data = connection.recv(65536)
        try:
            connection.sendall(request)
            while piece := connection.recv(65536):
                data += piece
        except ConnectionError:
            pass  # closed by a server that had not read everything
    return data


class Conversation:
    """One connection that stays open, by s_client."""

    def __init__(self, port, version=TLS13, client=None, sni="one.example", more=(), starttls=None):
        self.process = subprocess.Popen(
            [*words(port, version, client, sni, starttls=starttls), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, request, end, timeout=10):
        """Sends `request`; what came back up to and with `end`, or up to the end of connection or time."""
        answer = b""
        try:
            self.process.stdin.write(request)
            self.process.stdin.flush()
        except BrokenPipeError:
            return answer
        limit = time.monotonic() + timeout
        while end not in answer and time.monotonic() < limit:
            piece = _first(self.process.stdout, max(limit - time.monotonic(), 0))
            if not piece:
                break
            answer += piece
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
