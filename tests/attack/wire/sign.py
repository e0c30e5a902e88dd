# SPDX-License-Identifier: Apache-2.0
"""CertificateVerify: what is signed, and by which algorithm (RFC 5246 section 7.4.8, RFC 8446 section 4.4.3)."""

import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from attack.wire.hello import vector

ECDSA_SHA256, PSS_SHA256, PKCS1_SHA256, PKCS1_SHA1, ED25519 = 0x0403, 0x0804, 0x0401, 0x0201, 0x0807


def load_key(path):
    return load_pem_private_key(path.read_bytes(), None)


def content13(transcript_hash, context=b"TLS 1.3, client CertificateVerify"):
    return b" " * 64 + context + b"\0" + transcript_hash


def natural_algorithm(key):
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ECDSA_SHA256
    return ED25519 if isinstance(key, ed25519.Ed25519PrivateKey) else PSS_SHA256


def signature(key, content, algorithm=None):
    algorithm = algorithm or natural_algorithm(key)
    if algorithm == ECDSA_SHA256:
        return key.sign(content, ec.ECDSA(hashes.SHA256()))
    if algorithm == ED25519:
        return key.sign(content)
    if algorithm == PSS_SHA256:
        return key.sign(content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return key.sign(content, padding.PKCS1v15(), hashes.SHA1() if algorithm == PKCS1_SHA1 else hashes.SHA256())


def message(key, content, algorithm=None):
    """The body of a CertificateVerify."""
    return struct.pack("!H", algorithm or natural_algorithm(key)) + vector(2, signature(key, content, algorithm))
