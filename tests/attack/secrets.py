# SPDX-License-Identifier: Apache-2.0
"""What could stand for a certificate: pre-shared keys, passwords, anonymous and NULL suites, tickets of nobody."""

import os

from support.client import TLS12, TLS13

from attack.catalogue import HONEST, OFF, OPEN, add, attempt
from attack.wire import hello as h
from attack.wire.hello import Hello, vector
from attack.wire.tls12 import Session12
from attack.wire.tls13 import Session13

_SUITES = "suite"
_LOOSE = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


def _is_loose(target):
    """The server itself would take any suite."""
    return target.server.loose


def _by_s_client(name, *options, proof="", fits=lambda target: True, versions=(TLS12,)):
    add(
        _SUITES, name,
        lambda t: t.s_client("-tls1_2" if t.version == TLS12 else "-tls1_3", *options), versions=versions, proof=proof,
        fits=fits,
    )


_by_s_client("anonymous Diffie-Hellman", "-cipher", "ADH:@SECLEVEL=0", proof="")
_by_s_client("anonymous elliptic curves", "-cipher", "AECDH:@SECLEVEL=0", proof=OFF, fits=_is_loose)
_by_s_client("NULL encryption", "-cipher", "eNULL:@SECLEVEL=0", proof=OPEN, fits=_is_loose)
_by_s_client("everything, NULL and anonymous first", "-cipher", f"aNULL:eNULL:{_LOOSE}", proof=OPEN, fits=_is_loose)
_by_s_client("SRP", "-srpuser", "admin", "-srppass", "pass:admin", "-cipher", "SRP:@SECLEVEL=0")
_by_s_client("PSK", "-psk", "00" * 16, "-psk_identity", "Client_identity", "-cipher", "PSK:@SECLEVEL=0")
_by_s_client(
    "ECDHE-PSK, the server's own key known", "-psk", "11" * 32, "-psk_identity", "thief",
    "-cipher", "ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:@SECLEVEL=0", proof=OPEN,
    fits=lambda target: target.server.has_psk,
)
_by_s_client(
    "PSK in 1.3, the server's own key known", "-psk", "11" * 32, "-psk_identity", "thief", "-ciphersuites",
    "TLS_AES_128_GCM_SHA256", proof=OPEN, fits=lambda target: target.server.has_psk, versions=(TLS13,),
)
_by_s_client("PSK in 1.3", "-psk", "00" * 16, versions=(TLS13,))
_by_s_client("RSA key transport", "-cipher", "kRSA:@SECLEVEL=0", proof=OPEN, fits=_is_loose)


def _offer(name, *suites):
    def run(t):
        hello = Hello(t.host)
        hello.suites = list(suites)
        client = t.client()
        client.say_hello(hello)
        return t.complete(client.read_flight())

    add(_SUITES, name, run, versions=[TLS12], proof="")


_offer("export strength", 0x0003, 0x0006, 0x0008, 0x000B, 0x000E, 0x0011, 0x0014, 0x0017, 0x0019, 0x0062, 0x0064)
_offer("NULL with NULL", 0x0000)
_offer("Kerberos", 0x001E, 0x0020, 0x0022)
_offer("unknown ones", 0x5A5A, 0xFEFF, 0x00FF)
_offer("those of TLS 1.3 in TLS 1.2", 0x1301, 0x1302)

# Keys and tickets that this server never made

_PSK = "pre-shared key"


def _guess(name, identity, key=bytes(32), modes=b"\1", wrong_binder=False, proof=OPEN):
    def run(t):
        hello = Hello(t.host, h.TLS13)
        hello.extensions[h.PSK_MODES] = vector(1, modes)
        client = t.client()
        session = Session13(identity(), key, external=True)
        client.say_hello(hello, session=session, wrong_binder=wrong_binder)
        return t.complete(client.read_flight())

    add(_PSK, name, run, versions=[TLS13], proof=proof)


_guess("identity guessed", lambda: b"Client_identity")
_guess("identity of one NUL", lambda: b"\0")
_guess("identity of no length", lambda: b"", proof="")
_guess("identity of 16 KB", lambda: b"a" * 16000)
_guess("psk_ke alone", lambda: b"Client_identity", modes=b"\0")
_guess("psk_ke before psk_dhe_ke", lambda: b"Client_identity", modes=b"\0\1")
_guess("an unknown mode", lambda: b"Client_identity", modes=b"\x63")
_guess("a ticket of random bytes", lambda: os.urandom(192))
_guess("a ticket of zeros", lambda: bytes(192))
_guess("a session id as ticket", lambda: os.urandom(32))
_guess("wrong binder", lambda: os.urandom(192), wrong_binder=True)


@attempt(_PSK, "early data with a ticket of random bytes", versions=[TLS13], proof=OPEN)
def early_data(t):
    client = t.client()
    session = Session13(os.urandom(192), bytes(32), external=True)
    client.say_hello(host=t.host, session=session, early=t.request)
    return t.complete(client.read_flight())


@attempt(_PSK, "not the last extension", versions=[TLS13], proof="")
def not_last(t):
    hello = Hello(t.host, h.TLS13)
    hello.extensions[h.PRE_SHARED_KEY] = vector(2, vector(2, b"x") + bytes(4)) + vector(2, vector(1, bytes(32)))
    client = t.client()  # its key share comes last
    client.say_hello(hello)
    return t.complete(client.read_flight())


@attempt(_PSK, "binders missing", versions=[TLS13], proof="")
def no_binders(t):
    hello = Hello(t.host, h.TLS13)
    client = t.client()
    hello.extensions[h.KEY_SHARE] = client.new_share()
    hello.extensions[h.PRE_SHARED_KEY] = vector(2, vector(2, b"x" * 50) + bytes(4)) + vector(2, b"")
    client.say_hello(hello)
    return t.complete(client.read_flight())


@attempt(_PSK, "no modes beside it", versions=[TLS13], proof="")
def no_modes(t):
    hello = Hello(t.host, h.TLS13)
    hello.extensions.pop(h.PSK_MODES)
    client = t.client()
    client.say_hello(hello, session=Session13(b"Client_identity", bytes(32), external=True))
    return t.complete(client.read_flight())


def _ticket12(name, ticket):
    def run(t):
        session = Session12(os.urandom(48), h.ECDHE_RSA, ticket=ticket())
        client = t.client()
        client.say_hello(session=session, host=t.host)
        return t.complete(client.read_flight())

    add("session of nobody", name, run, versions=[TLS12], proof=OPEN)


_ticket12("ticket of random bytes", lambda: os.urandom(192))
_ticket12("ticket of zeros", lambda: bytes(192))
_ticket12("ticket of one byte", lambda: b"\0")
_ticket12("ticket of 15 KB", lambda: os.urandom(15000))


@attempt("session of nobody", "id of random bytes", versions=[TLS12], proof=OPEN)
def random_id(t):
    session = Session12(os.urandom(48), h.ECDHE_RSA, id=os.urandom(32))
    client = t.client()
    client.say_hello(session=session, host=t.host, tickets=False)
    return t.complete(client.read_flight())


@attempt("session of nobody", "Finished of a session that the server does not know", versions=[TLS12], proof=HONEST)
def assumed(t):
    """The client goes on as if its session had been taken."""
    if t.honest:
        return t.complete(t.start(), t.pki.clients["good"])
    client = t.start(session=Session12(os.urandom(48), h.ECDHE_RSA, id=os.urandom(32)))
    client.have_master(client.offered.master)
    client.send_finished()
    return t.steal(client)
