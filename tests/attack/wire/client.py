# SPDX-License-Identifier: Apache-2.0
"""What both versions share: records over a socket, handshake messages, the transcript, what the server said."""

import hashlib
import socket
import struct

from attack.wire.hello import TLS12, X25519, vector
from attack.wire.protect import BadRecord

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24
HELLO_REQUEST, CLIENT_HELLO, SERVER_HELLO, NEW_TICKET, END_OF_EARLY_DATA = 0, 1, 2, 4, 5
ENCRYPTED_EXTENSIONS, CERTIFICATE, KEY_EXCHANGE, CERTIFICATE_REQUEST = 8, 11, 12, 13
HELLO_DONE, CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE, FINISHED, KEY_UPDATE = 14, 15, 16, 20, 24

_ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    41: "no_certificate", 42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked",
    45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied",
    50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 100: "no_renegotiation", 109: "missing_extension", 110: "unsupported_extension",
    112: "unrecognized_name", 115: "unknown_psk_identity", 116: "certificate_required", 120: "no_application_protocol",
}


class Ended(Exception):
    """The server ended the connection: by an alert, a close or a reset. The text says which."""


class Silent(Ended):
    """The server waits for more, or does not answer."""


class Client:
    """One connection. `data`: every byte of application data that came, under whatever keys."""

    def __init__(self, opened, timeout=0.5):
        self.socket = opened
        self.timeout = timeout  # seconds after which a server that says nothing is called silent
        self.socket.settimeout(timeout)
        self.reading = None
        self.writing = None
        self.transcript = b""
        self.data = b""
        self.alerts = []
        self.asked = False
        self.record_version = TLS12
        self.group = X25519  # of the key that it shares in TLS 1.3
        self._messages = b""
        self._bytes = b""

    def close(self):
        self.socket.close()

    # records

    def raw(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError:
            pass  # what the server said before it closed is still to be read

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server was quicker

    def record(self, kind, body, version=None, piece=16384):
        """`piece`: the most that goes into one record."""
        version = version or self.record_version
        made = b""
        for at in range(0, max(len(body), 1), piece):
            part = body[at : at + piece]
            made += (
                self.writing.seal(kind, part, version) if self.writing
                else struct.pack("!BHH", kind, version, len(part)) + part
            )
        self.raw(made)

    def alert(self, level, number):
        self.record(ALERT, bytes([level, number]))

    def change_cipher_spec(self):
        self.record(CHANGE_CIPHER_SPEC, b"\1")

    def send_data(self, octets):
        self.record(DATA, octets)

    def _exactly(self, size):
        while len(self._bytes) < size:
            try:
                got = self.socket.recv(65536)
            except TimeoutError:
                raise Silent("silent") from None
            except OSError:
                raise Ended("reset") from None
            if not got:
                raise Ended("closed")
            self._bytes += got
        made, self._bytes = self._bytes[:size], self._bytes[size:]
        return made

    def read_record(self):
        """One record, decrypted: (type, body). Application data and alerts are noted; an alert that ends it raises."""
        kind, version, size = struct.unpack("!BHH", self._exactly(5))
        if kind not in (CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA, HEARTBEAT):
            self.data += struct.pack("!BHH", kind, version, size) + self._bytes
            raise Ended("no TLS")
        body = self._exactly(size)
        if self.reading:
            kind, body = self.reading.open(kind, version, body)
        if kind == DATA:
            self.data += body
        elif kind == ALERT and len(body) == 2:
            name = _ALERTS.get(body[1], str(body[1]))
            self.alerts.append(name)
            if body[0] == 2 or body[1] in (0, 100):
                raise Ended(name)
        return kind, body

    # handshake messages

    def message(self, kind, body, piece=16384, note=True):
        made = bytes([kind]) + vector(3, body)
        if note:
            self.transcript += made
        self.record(HANDSHAKE, made, piece=piece)
        return made

    def on_change_cipher_spec(self):
        pass

    def _message_is_whole(self):
        return len(self._messages) >= 4 and len(self._messages) >= 4 + int.from_bytes(self._messages[1:4], "big")

    def read_message(self, note=True):
        """The next handshake message: (type, body)."""
        while not self._message_is_whole():
            kind, body = self.read_record()
            if kind == HANDSHAKE:
                self._messages += body
            elif kind == CHANGE_CIPHER_SPEC:
                self.on_change_cipher_spec()
        end = 4 + int.from_bytes(self._messages[1:4], "big")
        made, self._messages = self._messages[:end], self._messages[end:]
        if note:
            self.transcript += made
        return made[0], made[4:]

    def transcript_hash(self):
        return hashlib.sha256(self.transcript).digest()

    # the end

    def after_handshake(self, kind, body):
        """A handshake message that came after the handshake."""

    def harvest(self, enough=None):
        """Reads until the server ends it, is silent, or `enough(data)`; how it ended, in a word."""
        try:
            while enough is None or not enough(self.data):
                kind, body = self.read_record()
                if kind == HANDSHAKE:
                    self._messages += body
                    while self._message_is_whole():
                        self.after_handshake(*self.read_message(note=False))
        except BadRecord:
            return "unreadable"
        except Ended as end:
            return str(end)
        return "answered"


def connect(port, prelude=None):
    """A connected socket; `prelude(socket)` speaks what comes before TLS."""
    opened = socket.create_connection(("127.0.0.1", port), timeout=5)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if prelude:
        prelude(opened)
    return opened
