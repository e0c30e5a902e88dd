# SPDX-License-Identifier: Apache-2.0
"""RADIUS packets (RFC 2865) as RadSec (RFC 6614) carries them: over TLS, with the secret "radsec"."""

import hashlib
import hmac
import os
import struct

SECRET = b"radsec"
_ACCESS_REQUEST, _ACCESS_ACCEPT = 1, 2
_USER_NAME, _USER_PASSWORD, _REPLY_MESSAGE, _MESSAGE_AUTHENTICATOR = 1, 2, 18, 80
_HEADER = ">BBH16s"


def _attribute(kind, value):
    return bytes([kind, len(value) + 2]) + value


def access_request(name, password):
    """An Access-Request with a password (at most 16 bytes) and a Message-Authenticator (RFC 3579 3.2)."""
    authenticator = os.urandom(16)
    pad = hashlib.md5(SECRET + authenticator).digest()
    hidden = bytes(a ^ b for a, b in zip(password.encode().ljust(16, b"\0"), pad))
    attributes = _attribute(_USER_NAME, name.encode()) + _attribute(_USER_PASSWORD, hidden)
    size = 20 + len(attributes) + 18
    head = struct.pack(_HEADER, _ACCESS_REQUEST, 7, size, authenticator)
    whole_message = head + attributes + _attribute(_MESSAGE_AUTHENTICATOR, bytes(16))
    proof = hmac.new(SECRET, whole_message, "md5").digest()
    return head + attributes + _attribute(_MESSAGE_AUTHENTICATOR, proof)


def whole(data):
    """True once a whole packet is there."""
    return len(data) >= 20 and len(data) >= int.from_bytes(data[2:4], "big")


def accepts(data, text):
    """True where `data` is an Access-Accept whose Reply-Message is `text`."""
    return whole(data) and data[:2] == bytes([_ACCESS_ACCEPT, 7]) and _attribute(_REPLY_MESSAGE, text.encode()) in data
