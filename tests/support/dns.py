# SPDX-License-Identifier: Apache-2.0
"""DNS messages (RFC 1035) with the two bytes of length that TCP and TLS put before them (RFC 7858)."""

import struct

_TXT, _IN = 16, 1
NUMBER = 0x7467


def _name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def query(name):
    """Asks for the TXT of `name`; no recursion."""
    message = struct.pack(">HHHHHH", NUMBER, 0, 1, 0, 0, 0) + _name(name) + struct.pack(">HH", _TXT, _IN)
    return struct.pack(">H", len(message)) + message


def whole(data):
    """True once a whole message is there."""
    return len(data) >= 2 and len(data) >= 2 + int.from_bytes(data[:2], "big")


def answers(data, text):
    """True where `data` is a good answer that holds the TXT `text`."""
    if not whole(data) or len(data) < 14:
        return False
    number, flags, _, count = struct.unpack(">HHHH", data[2:10])
    return number == NUMBER and flags & 0x800F == 0x8000 and count >= 1 and bytes([len(text)]) + text.encode() in data
