# SPDX-License-Identifier: Apache-2.0
"""Keys and record protection: RFC 5246 sections 5 and 6.3, RFC 5288, RFC 8446 sections 5.2 and 7.1; SHA-256 throughout."""

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

EMPTY_HASH = hashlib.sha256(b"").digest()


class BadRecord(Exception):
    """The server's record does not decrypt: the two sides do not hold the same keys."""


def prf(secret, label, seed, size):
    """TLS 1.2."""
    seed = label + seed
    made, chain = b"", seed
    while len(made) < size:
        chain = hmac.digest(secret, chain, "sha256")
        made += hmac.digest(secret, chain + seed, "sha256")
    return made[:size]


def extract(salt, secret):
    return hmac.digest(salt, secret, "sha256")


def expand_label(secret, label, context, size):
    info = struct.pack("!HB", size, 6 + len(label)) + b"tls13 " + label + bytes([len(context)]) + context
    made, block = b"", b""
    for number in range(1, (size + 31) // 32 + 1):
        block = hmac.digest(secret, block + info + bytes([number]), "sha256")
        made += block
    return made[:size]


def derive(secret, label, transcript_hash):
    return expand_label(secret, label, transcript_hash, 32)


class Gcm12:
    """One direction of a TLS 1.2 connection."""

    def __init__(self, key, salt):
        self.aead = AESGCM(key)
        self.salt = salt
        self.count = 0

    def _extra(self, kind, version, size):
        made = struct.pack("!QBHH", self.count, kind, version, size)
        self.count += 1
        return made

    def seal(self, kind, body, version):
        explicit = struct.pack("!Q", self.count)
        sealed = explicit + self.aead.encrypt(self.salt + explicit, body, self._extra(kind, version, len(body)))
        return struct.pack("!BHH", kind, version, len(sealed)) + sealed

    def open(self, kind, version, body):
        try:
            extra = self._extra(kind, version, len(body) - 24)
            return kind, self.aead.decrypt(self.salt + body[:8], body[8:], extra)
        except (InvalidTag, struct.error) as fault:
            raise BadRecord(f"record of type {kind}") from fault


class Gcm13:
    """One direction of a TLS 1.3 connection under one traffic secret."""

    def __init__(self, secret):
        self.secret = secret
        self.aead = AESGCM(expand_label(secret, b"key", b"", 16))
        self.iv = expand_label(secret, b"iv", b"", 12)
        self.count = 0

    def updated(self):
        return Gcm13(expand_label(self.secret, b"traffic upd", b"", 32))

    def _nonce(self):
        made = (int.from_bytes(self.iv, "big") ^ self.count).to_bytes(12, "big")
        self.count += 1
        return made

    def seal(self, kind, body, version):
        del version  # every protected record says 1.2
        head = struct.pack("!BHH", 23, 0x0303, len(body) + 17)
        return head + self.aead.encrypt(self._nonce(), body + bytes([kind]), head)

    def open(self, kind, version, body):
        if kind in (20, 21) and len(body) <= 2:  # ChangeCipherSpec, or an alert of a server that has no keys yet
            return kind, body
        try:
            inner = self.aead.decrypt(self._nonce(), body, struct.pack("!BHH", kind, version, len(body))).rstrip(b"\0")
        except InvalidTag as fault:
            raise BadRecord(f"record of type {kind}") from fault
        return inner[-1], inner[:-1]
