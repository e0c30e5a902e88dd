# SPDX-License-Identifier: Apache-2.0
"""ClientHellos: host names, sizes, pieces, extensions; always without a certificate."""

import os
import struct
from functools import cache

from support.client import TLS12, TLS13

from attack import forge
from attack.catalogue import HONEST, OPEN, add, attempt
from attack.policy import FIRM_HOST, OPEN_HOST, SECOND_HOST
from attack.wire import client as c
from attack.wire import hello as h
from attack.wire.hello import Hello, server_name, vector, words

_NUMBER = {TLS12: h.TLS12, TLS13: h.TLS13}


def _add(subject, name, change, piece=16384, **options):
    """`change(hello)`: what is unusual about it."""
    def run(t):
        hello = Hello(t.host, _NUMBER[t.version])
        change(hello)
        client = t.client()
        client.say_hello(hello, piece=piece)
        return t.complete(client.read_flight())

    add(subject, name, run, **options)


def _name(*names, kind=0):
    return lambda hello: hello.extensions.update({h.SERVER_NAME: server_name(*names, kind=kind)})


def _extension(kind, value):
    return lambda hello: hello.extensions.update({kind: value})


# Host names

_add("SNI", "none", lambda hello: hello.extensions.pop(h.SERVER_NAME))
_add("SNI", "unknown", _name(b"nowhere.example"))
_add("SNI", "upper case", _name(b"ONE.EXAMPLE"))
_add("SNI", "trailing dot", _name(b"one.example."))
_add("SNI", "trailing dots", _name(b"open.example.."), proof="")
_add("SNI", "IP address", _name(b"127.0.0.1"))
_add("SNI", "wildcard", _name(b"*.example"))
_add("SNI", "empty name", _name(b""), proof="")
_add("SNI", "NUL in it", _name(b"open.example\0.one.example"), proof="")
_add("SNI", "NUL after an open name", _name(b"open.example\0"), proof="")
_add("SNI", "255 bytes", _name(b"a" * 255))
_add("SNI", "4 KB", _name(b"open.example" + b"." * 4084), proof="")
_add("SNI", "not ASCII", _name("öpen.example".encode()))
_add("SNI", "blank before an open name", _name(b" open.example"))
_add("SNI", "two names, one of them open", _name(b"open.example", b"one.example"), proof="")
_add("SNI", "a name of an unknown type", _name(b"open.example", kind=1), proof="")
_add("SNI", "the extension twice", _extension(
    h.SERVER_NAME, [server_name(b"open.example"), server_name(b"one.example")]), proof="")
_add("SNI", "list of no length", _extension(h.SERVER_NAME, b"\0\0"), proof="")
_add("SNI", "length beyond the extension", _extension(h.SERVER_NAME, b"\0\x0f\0\0\x0copen"), proof="")
_add("SNI", "another section's authority", _name(SECOND_HOST.encode()))
_add("SNI", "a section with a security level", _name(FIRM_HOST.encode()))


@attempt("SNI", "one section's client under the name of another section", proof=HONEST)
def other_section(t):
    return t.complete(t.start(host=SECOND_HOST), t.pick(t.pki.clients["good"], _second_client(t.pki)))


@cache
def _second_client(pki):
    return forge.leaf(forge.issuer_of(pki.second_ca))


@attempt("SNI", "an open name first, a governed one after the retry", versions=[TLS13], proof=OPEN)
def name_changes_after_retry(t):
    return _retry(t, OPEN_HOST, t.host)


@attempt("SNI", "a governed name first, an open one after the retry", versions=[TLS13], proof=OPEN)
def name_opens_after_retry(t):
    return _retry(t, t.host, OPEN_HOST)


@attempt("SNI", "an open name first, none after the retry", versions=[TLS13], proof=OPEN)
def name_goes_after_retry(t):
    return _retry(t, OPEN_HOST, None)


def _retry(t, first, second):
    """Two ClientHellos around a HelloRetryRequest, which an empty key_share asks for."""
    hello = Hello(first, h.TLS13)
    client = t.client()
    hello.extensions[h.KEY_SHARE] = h.key_share(client.group, b"")
    client.say_hello(hello)
    client.read_flight()
    again = Hello(second, h.TLS13)
    again.random, again.session_id = hello.random, hello.session_id
    client.say_hello(again)
    return t.complete(client.read_flight())


# Sizes and pieces

_SIZES = "ClientHello"


def _many_suites(hello):
    hello.suites = [*range(0x5A00, 0x5A00 + 3000), *hello.suites]


def _many_extensions(hello):
    hello.extensions.update({0x6000 + number: b"" for number in range(300)})


def _no_extensions(hello):
    hello.extensions = {}


def _set(field, value):
    return lambda hello: setattr(hello, field, value)


_add(_SIZES, "in records of one byte", lambda hello: None, piece=1)
_add(_SIZES, "in records of 100 bytes", lambda hello: None, piece=100)
_add(_SIZES, "padded to 15 KB", _extension(21, bytes(15000)))
_add(_SIZES, "padded to 60 KB", _extension(21, bytes(60000)))
_add(_SIZES, "3000 suites", _many_suites)
_add(_SIZES, "300 unknown extensions", _many_extensions)
_add(_SIZES, "no extensions", _no_extensions, versions=[TLS12], proof="")
_add(_SIZES, "signature algorithms twice", lambda hello: hello.extensions.update(
    {h.SIGNATURES: [hello.extensions[h.SIGNATURES]] * 2}), proof="")
_add(_SIZES, "GREASE everywhere", lambda hello: (
    hello.suites.insert(0, 0x0A0A), hello.extensions.update({0x1A1A: b"", 0x2A2A: b"\0"})))
_add(_SIZES, "compression offered", _set("compression", b"\1\0"), versions=[TLS12])
_add(_SIZES, "only compression offered", _set("compression", b"\1"), proof="")
_add(_SIZES, "no compression method", _set("compression", b""), proof="")
_add(_SIZES, "session id of 33 bytes", _set("session_id", bytes(33)), proof="")
_add(_SIZES, "no suites", _set("suites", []), proof="")
_add(_SIZES, "no signature algorithms", lambda hello: hello.extensions.pop(h.SIGNATURES), proof="")
_add(_SIZES, "no groups", lambda hello: hello.extensions.pop(h.GROUPS), versions=[TLS13], proof="")
_add(_SIZES, "unknown signature algorithms", _extension(h.SIGNATURES, vector(2, words(0xFEFE))), proof="")
_add(_SIZES, "heartbeat offered", _extension(h.HEARTBEAT, b"\1"))
_add(_SIZES, "client certificate types: raw public key", _extension(19, b"\1\2"))
_add(_SIZES, "a cookie that nobody gave", _extension(h.COOKIE, vector(2, bytes(32))), versions=[TLS13])
_add(_SIZES, "post-handshake authentication offered", _extension(h.POST_HANDSHAKE, b""), versions=[TLS13])
_add(_SIZES, "early data offered without a ticket", _extension(h.EARLY_DATA, b""), versions=[TLS13])
_add(_SIZES, "OCSP staple asked for", _extension(h.STATUS_REQUEST, b"\1\0\0\0\0"))


@attempt(_SIZES, "length beyond the message", proof="")
def lying_length(t):
    client = t.client()
    body = Hello(t.host, _NUMBER[t.version]).body()
    client.record(c.HANDSHAKE, bytes([c.CLIENT_HELLO]) + (len(body) + 20).to_bytes(3, "big") + body)
    return t.harvest(client)


@attempt(_SIZES, "cut off in the middle", proof="")
def cut(t):
    client = t.client()
    client.message(c.CLIENT_HELLO, Hello(t.host, _NUMBER[t.version]).body()[:60])
    return t.harvest(client)


@attempt(_SIZES, "bytes after the extensions", proof="")
def trailing(t):
    client = t.client()
    client.message(c.CLIENT_HELLO, Hello(t.host, _NUMBER[t.version]).body() + b"abc")
    return t.harvest(client)


@attempt(_SIZES, "of random bytes", proof="")
def random_hello(t):
    client = t.client()
    client.message(c.CLIENT_HELLO, os.urandom(200))
    return t.harvest(client)


@attempt(_SIZES, "of 2^24 - 1 announced bytes", proof="")
def endless(t):
    client = t.client()
    client.record(c.HANDSHAKE, b"\1\xff\xff\xff" + bytes(4000))
    return t.harvest(client)


# Versions

_VERSIONS = "version"


def _legacy(number):
    return _set("legacy", number)


def _offered(*numbers):
    return _extension(h.VERSIONS, vector(1, words(*numbers)))


_add(_VERSIONS, "only unknown ones", _offered(0x0305, 0x7F1C, 0x0A0A), proof="")
_add(_VERSIONS, "only TLS 1.1 in supported_versions", _offered(0x0302), proof="")
_add(_VERSIONS, "only SSLv3 in supported_versions", _offered(0x0300), proof="")
_add(_VERSIONS, "supported_versions of no length", _extension(h.VERSIONS, b"\0"), proof="")
_add(_VERSIONS, "1.1 as the newest", _legacy(h.TLS11), versions=[TLS12], proof="")
_add(_VERSIONS, "SSLv3 as the newest", _legacy(h.SSL3), versions=[TLS12], proof="")
_add(_VERSIONS, "0x0305 as the newest", _legacy(0x0305))
_add(_VERSIONS, "0x7f7f as the newest", _legacy(0x7F7F), versions=[TLS12], proof="")
_add(_VERSIONS, "fallback signalled", lambda hello: hello.suites.append(h.SCSV_FALLBACK), versions=[TLS13])
_add(
    _VERSIONS, "fallback signalled from 1.2", lambda hello: hello.suites.append(h.SCSV_FALLBACK), versions=[TLS12], proof=""
)
_add(_VERSIONS, "fallback signalled from 1.1", lambda hello: (
    hello.suites.append(h.SCSV_FALLBACK), _legacy(h.TLS11)(hello)), versions=[TLS12], proof="")


def _record_version(number):
    def run(t):
        client = t.client()
        client.record_version = number
        client.say_hello(host=t.host)
        client.record_version = h.TLS12
        return t.complete(client.read_flight())

    return run


for _what, _version, _proof in (
    ("0x0300", 0x0300, OPEN), ("0x0000", 0, ""), ("0x0399", 0x0399, ""), ("0x7f7f", 0x7F7F, ""),
):
    add(_VERSIONS, f"record version {_what}", _record_version(_version), proof=_proof)


@attempt(_VERSIONS, "SSLv2 ClientHello", versions=[TLS12], proof="")
def sslv2(t):
    client = t.client()
    suites = b"".join(bytes([0]) + struct.pack("!H", suite) for suite in (h.ECDHE_RSA, h.ECDHE_ECDSA, 0x009C, 0x002F))
    body = b"\1" + words(h.TLS12, len(suites), 0, 32) + suites + os.urandom(32)
    client.raw(struct.pack("!H", 0x8000 | len(body)) + body)
    return t.harvest(client)


for _option, _name_of in (("-tls1", "1.0"), ("-tls1_1", "1.1")):
    add(
        _VERSIONS, f"TLS {_name_of}, below the protocol limits",
        lambda t, option=_option: t.s_client(option, "-cipher", "ALL:@SECLEVEL=0"), versions=[TLS12],
    )
add(
    _VERSIONS, "TLS 1.1 with a fallback signal",
    lambda t: t.s_client("-tls1_1", "-fallback_scsv", "-cipher", "ALL:@SECLEVEL=0"), versions=[TLS12], proof="",
)
