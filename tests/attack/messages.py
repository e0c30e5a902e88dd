# SPDX-License-Identifier: Apache-2.0
"""Certificate messages that are empty, malformed or several."""

import os

from support.client import TLS12, TLS13

from attack import forge
from attack.catalogue import HONEST, OPEN, add, attempt
from attack.tries import key_of
from attack.wire.hello import vector

_SUBJECT = "Certificate message"


def _entry(version, der, extensions=b""):
    return vector(3, der) + (vector(2, extensions) if version == TLS13 else b"")


def _body(t, *entries, context=b""):
    return (vector(1, context) if t.version == TLS13 else b"") + vector(3, b"".join(entries))


def _add(name, forged, **options):
    """`forged(t, der)`: the body of the message, from the right leaf's DER; CertificateVerify is by another key."""
    def run(t):
        good = t.pki.clients["good"]
        client = t.start()
        client.certificate(good.chain, raw=t.pick(forged(t, good.chain[0]), None))
        client.key_exchange()
        client.certificate_verify(t.pick(_key, key_of(good)))
        client.finish()
        return t.steal(client)

    add(_SUBJECT, name, run, proof=HONEST, **options)


_key = forge.new_key()
_head = {TLS12: b"", TLS13: b"\0"}

_add("no body", lambda t, der: b"")
_add("one byte", lambda t, der: b"\0")
_add("list length too long", lambda t, der: _head[t.version] + b"\0\x40\0" + _entry(t.version, der))
_add("list length too short", lambda t, der: _head[t.version] + b"\0\0\x08" + _entry(t.version, der))
_add("list length 2^24 - 1", lambda t, der: _head[t.version] + b"\xff\xff\xff" + _entry(t.version, der))
_add("entry beyond the list", lambda t, der: _body(t, b"\0\xff\xff" + der))
_add("entry of no length", lambda t, der: _body(t, _entry(t.version, b"")))
_add("an entry of no length before the right leaf", lambda t, der: _body(t, _entry(t.version, b""), _entry(t.version, der)))
_add("an entry of no length after the right leaf", lambda t, der: _body(t, _entry(t.version, der), _entry(t.version, b"")))
_add("bytes after the list", lambda t, der: _body(t, _entry(t.version, der)) + b"\0" * 9)
_add("DER cut off", lambda t, der: _body(t, _entry(t.version, der[:-40])))
_add("bytes after the DER", lambda t, der: _body(t, _entry(t.version, der + b"\0\0")))
_add("random bytes as DER", lambda t, der: _body(t, _entry(t.version, os.urandom(700))))
_add("DER of nested lengths", lambda t, der: _body(t, _entry(t.version, b"\x30\x84\x7f\xff\xff\xff" + der)))
_add("DER of 500 open sequences", lambda t, der: _body(t, _entry(t.version, b"\x30\x80" * 500)))
_add("PEM in the place of DER", lambda t, der: _body(t, _entry(t.version, t.pki.clients["good"].cert.read_bytes())))
_add("90 KB of certificates", lambda t, der: _body(t, *[_entry(t.version, der)] * (90000 // len(der))))
_add("a foreign request context", lambda t, der: _body(t, _entry(t.version, der), context=b"ctx"), versions=[TLS13])
_add(
    "unknown extension in the entry", lambda t, der: _body(t, _entry(t.version, der, b"\xfe\xed\0\2ab")), versions=[TLS13]
)
_add("malformed extension in the entry", lambda t, der: _body(t, _entry(t.version, der, b"\0\5\xff")), versions=[TLS13])


@attempt(_SUBJECT, "left out", proof=OPEN)
def left_out(t):
    client = t.start()
    client.key_exchange()
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "empty, with the warning no_certificate", proof=OPEN)
def no_certificate_warning(t):
    client = t.start()
    if client.asked:
        client.alert(1, 41)
        client.certificate([])
    client.key_exchange()
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "the warning no_certificate in its place, as in SSLv3", proof=OPEN)
def sslv3_style(t):
    client = t.start()
    if client.asked:
        client.alert(1, 41)
    client.key_exchange()
    client.finish()
    return t.steal(client)


def _two(first, second):
    """Two Certificate messages; the key is that of a client whom a wrong authority signed."""
    def run(t):
        good, wrong = t.pki.clients["good"], t.pki.clients["wrong CA"]
        chains = {"right": good.chain, "wrong": wrong.chain, "empty": []}
        client = t.start()
        if t.honest:
            client.certificate(good.chain)
        else:
            client.certificate(chains[first])
            client.certificate(chains[second])
        client.key_exchange()
        client.certificate_verify(key_of(t.pick(wrong, good)))
        client.finish()
        return t.steal(client)

    return run


for _first, _second in (("right", "wrong"), ("wrong", "right"), ("empty", "right"), ("right", "empty")):
    add(_SUBJECT, f"two: {_first}, then {_second}", _two(_first, _second), proof=HONEST)


@attempt(_SUBJECT, "in pieces of one byte, and empty", proof=OPEN)
def pieces(t):
    client = t.start()
    if client.asked:
        whole = bytes([11]) + vector(3, _body(t))
        client.transcript += whole
        client.record(22, whole, piece=1)
    client.key_exchange()
    client.finish()
    return t.steal(client)
