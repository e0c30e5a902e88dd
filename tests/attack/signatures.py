# SPDX-License-Identifier: Apache-2.0
"""The right client's certificate, taken from the wire, without its key: what can stand for CertificateVerify."""

import struct

from support.client import TLS12, TLS13

from attack import forge
from attack.catalogue import HONEST, add, attempt
from attack.tries import key_of
from attack.wire import client as c
from attack.wire import sign
from attack.wire.hello import vector

_SUBJECT = "CertificateVerify"
_OTHER_KEY = forge.new_key()


def _add(name, forged, **options):
    """`forged(client, key)`: the body that stands for the right one; None: no message at all."""
    def run(t):
        good = t.pki.clients["good"]
        client = t.start()
        client.certificate(good.chain)
        client.key_exchange()
        right = sign.message(key_of(good), client.signed_content())
        body = t.pick(forged(client, right), right)
        if body is not None:
            client.certificate_verify(None, body=body)
        client.finish()
        return t.steal(client)

    add(_SUBJECT, name, run, proof=HONEST, **options)


def _algorithm(number):
    return struct.pack("!H", number)


_add("left out", lambda client, right: None)
_add("empty body", lambda client, right: b"")
_add("empty signature", lambda client, right: right[:2] + b"\0\0")
_add("by another key", lambda client, right: sign.message(_OTHER_KEY, client.signed_content()))
_add("truncated", lambda client, right: right[:2] + vector(2, right[4:-8]))
_add("one bit flipped", lambda client, right: right[:-1] + bytes([right[-1] ^ 1]))
_add("of zeros", lambda client, right: right[:2] + vector(2, bytes(len(right) - 4)))
_add("ECDSA of r = s = 0", lambda client, right: right[:2] + vector(2, bytes.fromhex("3006020100020100")))
_add("ECDSA of r = s = 1", lambda client, right: right[:2] + vector(2, bytes.fromhex("3006020101020101")))
_add("16 KB long", lambda client, right: right[:2] + vector(2, right[4:] + bytes(16000)))
_add("length beyond the message", lambda client, right: right[:2] + b"\x7f\xff" + right[4:])
_add("bytes after the signature", lambda client, right: right + b"\0\0\0")
_add("RSA-PSS named for an EC key", lambda client, right: _algorithm(sign.PSS_SHA256) + right[2:])
_add("Ed25519 named for an EC key", lambda client, right: _algorithm(sign.ED25519) + right[2:])
_add("algorithm 0", lambda client, right: bytes(2) + right[2:])
_add("ECDSA with SHA-1", lambda client, right: _algorithm(0x0203) + right[2:])
_add("an algorithm that was not asked for", lambda client, right: _algorithm(0xFEFE) + right[2:])
_add(
    "signed over an earlier transcript",
    lambda client, right: sign.message(_OTHER_KEY, client.transcript[: len(client.transcript) // 2]),
)
_add(
    "the server's context", lambda client, right: sign.message(
        _OTHER_KEY, sign.content13(client.transcript_hash(), b"TLS 1.3, server CertificateVerify")
    ), versions=[TLS13],
)
_add("without an algorithm, as in TLS 1.1", lambda client, right: right[2:], versions=[TLS12])


@attempt(_SUBJECT, "copied from another handshake", proof=HONEST)
def copied(t):
    good = t.pki.clients["good"]
    first = t.start()
    first.certificate(good.chain)
    first.key_exchange()
    seen = sign.message(key_of(good), first.signed_content())
    second = t.start()
    second.certificate(good.chain)
    second.key_exchange()
    right = sign.message(key_of(good), second.signed_content())
    second.certificate_verify(None, body=t.pick(seen, right))
    second.finish()
    return t.steal(second)


@attempt(_SUBJECT, "before Certificate", proof=HONEST)
def before_certificate(t):
    good = t.pki.clients["good"]
    client = t.start()
    if not t.honest:
        client.certificate_verify(_OTHER_KEY)
    client.certificate(good.chain)
    client.key_exchange()
    if t.honest:
        client.certificate_verify(key_of(good))
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "after Finished", proof=HONEST)
def after_finished(t):
    good = t.pki.clients["good"]
    client = t.start()
    client.certificate(good.chain)
    client.key_exchange()
    if t.honest:
        client.certificate_verify(key_of(good))
    client.send_finished()
    if not t.honest:
        client.certificate_verify(_OTHER_KEY)
    elif client.version == TLS12:
        client.read_flight()
    return t.steal(client)


@attempt(_SUBJECT, "for an empty Certificate", proof=HONEST)
def for_nothing(t):
    good = t.pki.clients["good"]
    client = t.start()
    client.certificate(t.pick([], good.chain))
    client.key_exchange()
    client.certificate_verify(t.pick(_OTHER_KEY, key_of(good)))
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "by the key of a wrong authority's client, under the right leaf", proof=HONEST)
def foreign_key(t):
    good, wrong = t.pki.clients["good"], t.pki.clients["wrong CA"]
    client = t.start()
    client.certificate([*good.chain, *wrong.chain])
    client.key_exchange()
    client.certificate_verify(key_of(t.pick(wrong, good)))
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "the trusted authority's own certificate, without its key", proof=HONEST)
def authority_as_leaf(t):
    good = t.pki.clients["good"]
    client = t.start()
    client.certificate(t.pick(forge.Issuer(None, None, _root_der(t)).certs, good.chain))
    client.key_exchange()
    client.certificate_verify(t.pick(_OTHER_KEY, key_of(good)))
    client.finish()
    return t.steal(client)


def _root_der(t):
    return [forge.x509.load_pem_x509_certificate(t.pki.ca.cert.read_bytes()).public_bytes(forge.Encoding.DER)]


@attempt(_SUBJECT, "sent as application data", proof=HONEST)
def as_data(t):
    good = t.pki.clients["good"]
    client = t.start()
    client.certificate(good.chain)
    client.key_exchange()
    right = sign.message(key_of(good), client.signed_content())
    if t.honest:
        client.certificate_verify(None, body=right)
    else:
        client.record(c.DATA, bytes([c.CERTIFICATE_VERIFY]) + vector(3, right))
    client.finish()
    return t.steal(client)
