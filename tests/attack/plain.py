# SPDX-License-Identifier: Apache-2.0
"""No TLS at all, TLS in a wrapping, and what is said before TLS begins (STARTTLS, SSLRequest)."""

import os
import struct

from attack.catalogue import OPEN, attempt
from support.client import TLS12

_PLAIN = "no TLS"
_BEFORE = "before TLS"
_V2 = bytes.fromhex("0d0a0d0a000d0a515549540a2111000c7f0000017f000001") + struct.pack("!HH", 40000, 443)


def _at_once(target):
    """TLS begins with the first byte."""
    return not target.server.starts_plain


def _later(target):
    return target.server.starts_plain


def _say(name, octets):
    """`octets(t)` on a bare connection."""
    def run(t):
        client = t.bare()
        client.raw(octets(t))
        return t.harvest(client)

    attempt(_PLAIN, name, versions=[TLS12], proof="", fits=_at_once)(run)


_say("the request in plaintext", lambda t: t.request)
_say("nothing, then the end", lambda t: b"")
_say("random bytes", lambda t: os.urandom(300))
_say("a record of type 23 around the request", lambda t: struct.pack("!BHH", 23, 0x0303, len(t.request)) + t.request)
_say("a record of type 22 around the request", lambda t: struct.pack("!BHH", 22, 0x0303, len(t.request)) + t.request)
_say("PROXY v1 and the request", lambda t: b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 443\r\n" + t.request)
_say("PROXY v2 and the request", lambda t: _V2 + t.request)
_say("one NUL after the other", lambda t: bytes(2000))


def _wrapped(name, before):
    def run(t):
        client = t.client()
        client.raw(before(t))
        client.say_hello(host=t.host)
        return t.complete(client.read_flight())

    attempt(_PLAIN, name, proof="", fits=_at_once)(run)


_wrapped("PROXY v1 before the handshake", lambda t: b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 443\r\n")
_wrapped("PROXY v2 before the handshake", lambda t: _V2)
_wrapped("the request in plaintext before the handshake", lambda t: t.request)
_wrapped("an alert before the handshake", lambda t: b"\x15\3\3\0\2\2\x28")


# STARTTLS: what a client says in the same segment as the command, before any key is there


def _injected(name, words):
    """`words(t)` behind the command that begins TLS; without a certificate. Nothing of it may be answered over TLS."""
    def run(t):
        client = t.bare()
        t.server.prelude(client.socket, injected=words(t))
        client.say_hello(host=t.host)
        return t.complete(client.read_flight())

    attempt(_BEFORE, name, proof="", fits=_later)(run)


_injected("the request behind the command", lambda t: t.request)
_injected("the request twice behind the command", lambda t: t.request * 2)
_injected("4 KB of requests behind the command", lambda t: t.request * (4096 // len(t.request) + 1))
_injected("a TLS record of type 23 behind the command", lambda t: struct.pack("!BHH", 23, 0x0303, 5) + b"abcde")


@attempt(_BEFORE, "the request behind the command, then no TLS", versions=[TLS12], proof="", fits=_later)
def injected_then_nothing(t):
    client = t.bare()
    t.server.prelude(client.socket, injected=t.request)
    return t.harvest(client)


@attempt(_BEFORE, "the request in plaintext after the server's yes", versions=[TLS12], proof="", fits=_later)
def plaintext_after_yes(t):
    client = t.client()
    client.raw(t.request)
    return t.harvest(client)


@attempt(_BEFORE, "after the command, without a certificate", proof=OPEN, fits=_later)
def ordinary(t):
    return t.complete(t.start())
