# SPDX-License-Identifier: Apache-2.0
"""What comes after a handshake, or after what looks like one: renegotiation, late authentication, key updates, closing."""

from support.client import TLS12, TLS13

from attack.catalogue import HONEST, OPEN, attempt
from attack.policy import OPEN_HOST
from attack.tries import key_of
from attack.wire import client as c
from attack.wire import hello as h
from attack.wire.hello import Hello, vector

_RENEGOTIATION = "renegotiation"
_AFTER = "afterwards"


def _renegotiate(t, client, host, secure=True):
    """A second handshake over the first; data are asked for only where it ends well."""
    hello = Hello(host)
    if secure:
        hello.extensions[h.RENEGOTIATION] = vector(1, client.client_verify)
    else:
        hello.extensions.pop(h.RENEGOTIATION)
    client.transcript, client.asked = b"", False
    client.say_hello(hello)
    return t.complete(client.read_flight())


@attempt(_RENEGOTIATION, "without a certificate, after a handshake with one", versions=[TLS12])
def after_good(t):
    client = t.start()
    t.second_flight(client, t.pki.clients["good"])
    return _renegotiate(t, client.finish(), t.host)


@attempt(_RENEGOTIATION, "insecure, after a handshake with a certificate", versions=[TLS12], proof="")
def insecure(t):
    client = t.start()
    t.second_flight(client, t.pki.clients["good"])
    return _renegotiate(t, client.finish(), t.host, secure=False)


@attempt(_RENEGOTIATION, "from an open name to a governed one", versions=[TLS12])
def to_governed(t):
    client = t.start(host=OPEN_HOST)
    t.second_flight(client)
    return _renegotiate(t, client.finish(), t.host)


@attempt(_RENEGOTIATION, "from an open name to none", versions=[TLS12])
def to_none(t):
    client = t.start(host=OPEN_HOST)
    t.second_flight(client)
    return _renegotiate(t, client.finish(), None)


@attempt(_RENEGOTIATION, "in the middle of the first handshake", versions=[TLS12], proof="")
def in_the_middle(t):
    client = t.start()
    t.second_flight(client)
    client.send_finished()
    client.message(c.CLIENT_HELLO, Hello(OPEN_HOST).body())
    return t.steal(client)


def _unauthenticated(t):
    """To the end of the client's part, without a certificate; in TLS 1.3 the server has not yet said anything to it."""
    client = t.start()
    t.second_flight(client)
    client.send_finished()
    if client.version == TLS12 and not client.asked:
        client.read_flight()
    return client


@attempt(_AFTER, "request in the same segment as Finished", proof=OPEN)
def one_segment(t):
    client = t.start()
    held, send = [], client.raw
    client.raw = held.append
    t.second_flight(client)
    client.send_finished()
    client.send_data(t.request)
    client.raw = send
    client.raw(b"".join(held))
    if client.version == TLS12:
        client.read_flight()
    return t.harvest(client)


@attempt(_AFTER, "request in records of one byte", proof=OPEN)
def byte_by_byte(t):
    client = _unauthenticated(t)
    for at in range(len(t.request)):
        client.send_data(t.request[at : at + 1])
    return t.harvest(client)


@attempt(_AFTER, "fifty requests", proof=OPEN)
def many(t):
    client = _unauthenticated(t)
    for _ in range(50):
        client.send_data(t.request)
    return t.harvest(client)


@attempt(_AFTER, "key update before the request", versions=[TLS13], proof=OPEN)
def key_update(t):
    client = _unauthenticated(t)
    client.update_keys()
    return t.steal(client)


@attempt(_AFTER, "key update asked of the server", versions=[TLS13], proof=OPEN)
def key_update_asked(t):
    client = _unauthenticated(t)
    client.update_keys(ask=1)
    return t.steal(client)


@attempt(_AFTER, "thirty key updates", versions=[TLS13], proof=OPEN)
def key_updates(t):
    client = _unauthenticated(t)
    for _ in range(30):
        client.update_keys()
    return t.steal(client)


@attempt(_AFTER, "a malformed key update", versions=[TLS13], proof="")
def bad_key_update(t):
    client = _unauthenticated(t)
    client.message(c.KEY_UPDATE, b"\x07\x07", note=False)
    return t.steal(client)


@attempt(_AFTER, "half-close after the request", proof="")
def half_close(t):
    client = _unauthenticated(t)
    client.send_data(t.request)
    client.half_close()
    return t.harvest(client)


@attempt(_AFTER, "close_notify before the request", proof="")
def close_first(t):
    client = _unauthenticated(t)
    client.alert(1, 0)
    return t.steal(client)


@attempt(_AFTER, "request, close_notify, request", proof="")
def data_after_close(t):
    client = _unauthenticated(t)
    client.send_data(t.request)
    client.alert(1, 0)
    return t.steal(client)


@attempt(_AFTER, "close_notify instead of Certificate, then on", proof="")
def close_for_certificate(t):
    client = t.start()
    client.alert(1, 0)
    return t.complete(client)


@attempt(_AFTER, "heartbeat after Finished", proof="")
def heartbeat(t):
    client = _unauthenticated(t)
    client.record(c.HEARTBEAT, b"\1\x3f\xff" + bytes(16))
    return t.steal(client)


@attempt(_AFTER, "post-handshake authentication offered, empty Certificate", versions=[TLS13], proof=OPEN)
def post_handshake_offered(t):
    hello = Hello(t.host, h.TLS13)
    hello.extensions[h.POST_HANDSHAKE] = b""
    return t.complete(t.start(hello=hello))


@attempt(_AFTER, "post-handshake authentication offered by libssl", versions=[TLS13], proof=OPEN)
def post_handshake_libssl(t):
    return t.s_client("-tls1_3", "-enable_pha")


@attempt(_AFTER, "Certificate that nobody asked for, after Finished", versions=[TLS13], proof=HONEST)
def unsolicited(t):
    good = t.pki.clients["good"]
    client = t.start()
    if t.honest:
        return t.complete(client, good)
    t.second_flight(client)
    client.send_finished()
    client.certificate(good.chain)
    client.certificate_verify(key_of(t.pki.clients["wrong CA"]))
    return t.steal(client)


@attempt(_AFTER, "legacy renegotiation offered by libssl", versions=[TLS12], proof=OPEN)
def legacy(t):
    return t.s_client("-tls1_2", "-legacy_renegotiation", "-legacy_server_connect")


@attempt(_AFTER, "no ticket, no encrypt-then-MAC", versions=[TLS12], proof=OPEN)
def bare_libssl(t):
    return t.s_client("-tls1_2", "-no_ticket", "-no_etm")
