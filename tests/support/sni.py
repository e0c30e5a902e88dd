# SPDX-License-Identifier: Apache-2.0
"""ClientHellos with any server_name extension, and what a TLS 1.2 server shows before the client has to go on."""

import hashlib

from support import replay


def name_list(*names, kind=0):
    """The extension's body (RFC 6066 section 3)."""
    entries = b"".join(bytes([kind]) + len(name).to_bytes(2, "big") + name for name in names)
    return len(entries).to_bytes(2, "big") + entries


def hello_with(body):
    """A ClientHello of TLS 1.2 whose server_name extension holds `body`; None: it has none."""
    hello = replay.Client("1.2", sni="placeholder.example").hello
    message = hello[5:]
    at = 4 + 2 + 32
    at += 1 + message[at]
    at += 2 + int.from_bytes(message[at : at + 2], "big")
    at += 1 + message[at]
    head, rest = message[4:at], message[at + 2 :]
    extensions = b""
    while rest:
        size = 4 + int.from_bytes(rest[2:4], "big")
        if rest[:2] != b"\0\0":
            extensions += rest[:size]
        elif body is not None:
            extensions += b"\0\0" + len(body).to_bytes(2, "big") + body
        rest = rest[size:]
    made = head + len(extensions).to_bytes(2, "big") + extensions
    made = b"\x01" + len(made).to_bytes(3, "big") + made
    return b"\x16\x03\x01" + len(made).to_bytes(2, "big") + made


def shown(port, hello):
    """SHA-256 of the leaf that the server shows, or "alert N"."""
    with replay.connect(port) as connection:
        connection.sendall(hello)
        stream = b""
        while True:
            came = connection.recv(65536)
            stream += came
            records, handshake = stream, b""
            while len(records) >= 5 and len(records) >= 5 + int.from_bytes(records[3:5], "big"):
                size = int.from_bytes(records[3:5], "big")
                if records[0] == 21 and records[5] == 2:
                    return f"alert {records[6]}"
                if records[0] == 22:
                    handshake += records[5 : 5 + size]
                records = records[5 + size :]
            while len(handshake) >= 4:
                size = int.from_bytes(handshake[1:4], "big")
                if handshake[0] == 11 and len(handshake) >= 4 + size:
                    leaf = int.from_bytes(handshake[7:10], "big")
                    return hashlib.sha256(handshake[10 : 10 + leaf]).hexdigest()
                handshake = handshake[4 + size :]
            if not came:
                return "closed"
