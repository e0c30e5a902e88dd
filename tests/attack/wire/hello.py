# SPDX-License-Identifier: Apache-2.0
"""The ClientHello, RFC 8446 section 4.1.2 and the extensions that attacks play with."""

import os
import struct

SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
ECDHE_ECDSA, ECDHE_RSA, AES_GCM_13 = 0xC02B, 0xC02F, 0x1301
SCSV_RENEGOTIATION, SCSV_FALLBACK = 0x00FF, 0x5600
# TLS 1.2 wants the curve of certificates listed too.
X25519, P256 = 29, 23

SERVER_NAME, STATUS_REQUEST, GROUPS, POINT_FORMATS, SIGNATURES, HEARTBEAT = 0, 5, 10, 11, 13, 15
TICKET, PRE_SHARED_KEY, EARLY_DATA, VERSIONS, COOKIE, PSK_MODES = 35, 41, 42, 43, 44, 45
POST_HANDSHAKE, KEY_SHARE, RENEGOTIATION = 49, 51, 0xFF01

_SIGNATURES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0807)


def vector(size_bytes, body):
    return len(body).to_bytes(size_bytes, "big") + body


def words(*values):
    return b"".join(struct.pack("!H", value) for value in values)


def server_name(*names, kind=0):
    """`names`: bytes, each a host name."""
    return vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names))


def key_share(group, public):
    return vector(2, words(group) + vector(2, public) if public else b"")


class Hello:
    """Fields of a ClientHello; `extensions` keeps its order, and a list value puts the extension in several times."""

    def __init__(self, host=None, version=TLS12):
        self.legacy = TLS12
        self.random = os.urandom(32)
        self.session_id = os.urandom(32) if version == TLS13 else b""
        self.suites = [AES_GCM_13] if version == TLS13 else [ECDHE_ECDSA, ECDHE_RSA]
        self.compression = b"\0"
        self.extensions = {}
        if host is not None:
            self.extensions[SERVER_NAME] = server_name(host.encode())
        self.extensions[GROUPS] = vector(2, words(X25519, P256))
        self.extensions[SIGNATURES] = vector(2, words(*_SIGNATURES))
        if version == TLS13:
            self.extensions[VERSIONS] = vector(1, words(TLS13))
            self.extensions[PSK_MODES] = vector(1, b"\1")
        else:
            self.extensions[POINT_FORMATS] = vector(1, b"\0")
            self.extensions[RENEGOTIATION] = vector(1, b"")

    def body(self):
        blocks = b""
        for kind, value in self.extensions.items():
            for one in value if isinstance(value, list) else [value]:
                blocks += struct.pack("!H", kind) + vector(2, one)
        return (
            struct.pack("!H", self.legacy) + self.random + vector(1, self.session_id) + vector(2, words(*self.suites))
            + vector(1, self.compression) + (vector(2, blocks) if blocks else b"")
        )
