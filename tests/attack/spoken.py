# SPDX-License-Identifier: Apache-2.0
"""Servers that speak plaintext themselves: bytes that reach them around the TLS that is spoken for them, and theirs that
leave it too early."""

import socket
import struct

from attack.catalogue import OPEN, attempt
from attack.wire import client as c
from attack.wire.client import Ended
from support.client import TLS12, TLS13

_SUBJECT = "spoken for"


def _here(target):
    return target.server.spoken_for


def _silent_first(target):
    """The greeting that the right client gets is nobody's loot."""
    return target.server.spoken_for and not target.server.greets


def _attempt(name, fits=_here, **options):
    return attempt(_SUBJECT, name, fits=fits, **options)


def _record(kind, body):
    return struct.pack("!BHH", kind, 0x0303, len(body)) + body


def _hello(t):
    """The bytes of a ClientHello that would be good."""
    t.client().say_hello(host=t.host)
    client = t.clients[-1]
    return _record(c.HANDSHAKE, client.transcript)


# What is no TLS, or begins as TLS does


def _say(name, octets):
    def run(t):
        client = t.bare()
        client.raw(octets(t))
        return t.harvest(client)

    _attempt(name, versions=[TLS12], proof="")(run)


_say("the first byte of TLS, then the request", lambda t: b"\x16" + t.request)
_say("the head of a record, then the request", lambda t: b"\x16\3\1" + t.request)
_say("the head of a hello, then the request", lambda t: b"\x16\3\1\x40\0\1" + t.request)
_say("half a hello, then the request", lambda t: _hello(t)[:60] + t.request)
_say("a hello without its last byte, then the request", lambda t: _hello(t)[:-1] + t.request)
_say("a hello and the request behind it", lambda t: _hello(t) + t.request)
_say("a hello and a record of type 23 around the request", lambda t: _hello(t) + _record(c.DATA, t.request))
_say("close_notify, then the request", lambda t: _record(c.ALERT, b"\1\0") + t.request)
_say("a hello, close_notify, the request", lambda t: _hello(t) + _record(c.ALERT, b"\1\0") + t.request)
_say("SSLv2's hello, then the request", lambda t: b"\x80\x2e\1\3\3\0\x15\0\0\0\x10" + bytes(46 - 9) + t.request)
_say("a length and type 1, as SSLv2's, around the request", lambda t: bytes([0x80, len(t.request) + 1, 1]) + t.request)
_say("ten thousand first bytes of TLS", lambda t: b"\x16" * 10000 + t.request)


@_attempt("the request byte by byte", versions=[TLS12], proof="")
def byte_by_byte(t):
    client = t.bare()
    for at in range(len(t.request)):
        client.raw(t.request[at : at + 1])
    return t.harvest(client)


@_attempt("the request out of band", versions=[TLS12], proof="")
def out_of_band(t):
    client = t.bare()
    client.socket.send(t.request, socket.MSG_OOB)
    client.raw(t.request)
    return t.harvest(client)


# Plaintext in the middle of TLS


@_attempt("the request in plaintext after the server's flight", proof="")
def after_flight(t):
    client = t.start()
    client.raw(t.request)
    return t.harvest(client)


@_attempt("an unencrypted record with the request after the server's flight", proof="")
def record_after_flight(t):
    client = t.start()
    client.raw(_record(c.DATA, t.request))
    return t.harvest(client)


@_attempt("an unencrypted record with the request after Finished", proof="")
def record_after_finished(t):
    client = t.start()
    t.second_flight(client)
    client.finish()
    client.raw(_record(c.DATA, t.request))
    return t.harvest(client)


@_attempt("an unencrypted record with the request on the right client's connection", proof="", fits=_silent_first)
def record_of_another(t):
    client = t.start()
    t.second_flight(client, t.pki.clients["good"])
    client.finish()
    client.raw(_record(c.DATA, t.request))
    return t.harvest(client)


@_attempt("the request in plaintext on the right client's connection", proof="", fits=_silent_first)
def plaintext_of_another(t):
    client = t.start()
    t.second_flight(client, t.pki.clients["good"])
    client.finish()
    client.raw(t.request)
    return t.harvest(client)


# Before the verdict


@_attempt("Finished and the request in one segment", proof=OPEN)
def one_segment(t):
    client = t.start()
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    t.second_flight(client)
    if t.version == TLS13:
        client.finish()
    else:
        client.send_finished()
    client.send_data(t.request)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    if t.version == TLS12:
        _read_finished(client)
    return t.harvest(client)


def _read_finished(client):
    try:
        while client.read_message(note=False)[0] != c.FINISHED:
            pass
    except Ended:
        pass  # what came until then is looked at by the harvest


@_attempt("says nothing at all", versions=[TLS12], proof="")
def silent(t):
    return t.harvest(t.bare())


@_attempt("says nothing after the server's flight", proof="")
def silent_after_flight(t):
    return t.harvest(t.start())


@_attempt("ends its side after the server's flight", proof="")
def half_closed_after_flight(t):
    client = t.start()
    client.half_close()
    return t.harvest(client)


@_attempt("ends its side after half a hello", versions=[TLS12], proof="")
def half_closed_in_hello(t):
    client = t.bare()
    client.raw(_hello(t)[:60])
    client.half_close()
    return t.harvest(client)


@_attempt("Finished without a certificate, then nothing", proof="")
def silent_after_finished(t):
    client = t.start()
    t.second_flight(client)
    client.finish()
    return t.harvest(client)


# Numbers of descriptors are given out again


def _right_clients_that_vanish(t, count=8):
    for _ in range(count):
        client = t.start()
        t.second_flight(client, t.pki.clients["good"])
        client.finish()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


@_attempt("the request in plaintext, where right clients were a moment before", proof="")
def plaintext_after_others(t):
    _right_clients_that_vanish(t)
    client = t.bare()
    client.raw(t.request)
    return t.harvest(client)


@_attempt("no certificate, where right clients were a moment before", proof=OPEN)
def none_after_others(t):
    _right_clients_that_vanish(t)
    return t.complete(t.start())
