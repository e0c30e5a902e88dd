# SPDX-License-Identifier: Apache-2.0
"""Messages left out, repeated, in another order, or mixed with application data."""

from support.client import TLS12, TLS13

from attack.catalogue import HONEST, OPEN, attempt
from attack.wire import client as c
from attack.wire.hello import Hello, vector
from attack.wire.protect import Gcm13

_SUBJECT = "order"


@attempt(_SUBJECT, "data in the clear instead of a handshake", proof="")
def data_only(t):
    client = t.client()
    client.send_data(t.request)
    client.send_data(t.request)
    return t.harvest(client)


@attempt(_SUBJECT, "data in the clear after ClientHello", proof="")
def data_after_hello(t):
    client = t.client()
    client.say_hello(host=t.host)
    client.send_data(t.request)
    return t.complete(client.read_flight())


@attempt(_SUBJECT, "data after the server's flight, without one of ours", proof="")
def data_after_flight(t):
    client = t.start()
    if client.version == TLS13:
        client.switch_writing()
    return t.steal(client)


@attempt(_SUBJECT, "data under handshake keys after Certificate", versions=[TLS13], proof=OPEN)
def data_under_handshake_keys(t):
    client = t.start()
    if client.asked:
        client.certificate(t.pki.clients["good"].chain)
        client.send_data(t.request)
    return t.complete(client)


@attempt(_SUBJECT, "data before Finished, and then nothing", proof=OPEN)
def data_before_finished(t):
    client = t.start()
    if not client.asked:
        return t.complete(client)
    client.certificate([])
    client.key_exchange()
    return t.steal(client)


@attempt(_SUBJECT, "Finished at once", proof=OPEN)
def finished_at_once(t):
    client = t.start()
    if not client.asked or client.version == TLS13:
        client.key_exchange()
    else:
        client.have_master(bytes(48))
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "ChangeCipherSpec before the keys are there", versions=[TLS12], proof=OPEN)
def early_change(t):
    client = t.start()
    if client.asked:
        client.change_cipher_spec()
        client.have_master(b"")
        client.switch_writing()
        client.certificate([])
    client.key_exchange()
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "ChangeCipherSpec after ClientHello", versions=[TLS12], proof="")
def change_after_hello(t):
    client = t.client()
    client.say_hello(host=t.host)
    client.change_cipher_spec()
    return t.harvest(client)


@attempt(_SUBJECT, "no ChangeCipherSpec", versions=[TLS12], proof=HONEST)
def no_change(t):
    client = t.start()
    t.second_flight(client, t.pick(None, t.pki.clients["good"]))
    if not t.honest:
        client.change_cipher_spec = lambda: None
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "Finished in the clear", proof=HONEST)
def finished_in_the_clear(t):
    good = t.pki.clients["good"]
    client = t.start()
    t.second_flight(client, t.pick(None, good))
    if t.honest:
        client.finish()
    else:
        client.writing = None
        client.message(c.FINISHED, bytes(12 if client.version == TLS12 else 32))
    return t.steal(client)


def _finished(body):
    """A Finished of another content after the right leaf, which was taken from the wire."""
    def run(t):
        good = t.pki.clients["good"]
        client = t.start()
        if t.honest:
            return t.complete(client, good)
        client.certificate(good.chain)
        client.key_exchange()
        if client.version == TLS12:
            client.change_cipher_spec()
            client.switch_writing()
        client.message(c.FINISHED, body)
        client.switch_writing()
        return t.steal(client)

    return run


for _name, _body in (("empty", b""), ("of zeros", bytes(12)), ("of 32 zeros", bytes(32)), ("of 4 KB", bytes(4096))):
    attempt(_SUBJECT, f"Finished {_name}", proof=HONEST)(_finished(_body))


@attempt(_SUBJECT, "Finished twice", proof=OPEN)
def finished_twice(t):
    client = t.start()
    if not client.asked:
        return t.complete(client)
    t.second_flight(client)
    client.send_finished()
    client.message(c.FINISHED, client.client_verify if client.version == TLS12 else bytes(32))
    return t.steal(client)


@attempt(_SUBJECT, "data between the pieces of Certificate", proof=OPEN)
def interleaved(t):
    client = t.start()
    if client.asked:
        whole = bytes([c.CERTIFICATE]) + vector(3, vector(1, b"") + vector(3, b""))
        client.record(c.HANDSHAKE, whole[:3])
        client.send_data(t.request)
        client.record(c.HANDSHAKE, whole[3:])
    client.key_exchange()
    client.finish()
    return t.steal(client)


def _unexpected(kind, body):
    """A message that no client sends, in the place of Certificate; then a handshake without one."""
    def run(t):
        client = t.start()
        if client.asked:
            client.message(kind, body)
        return t.complete(client)

    return run


for _name, _kind, _body in (
    ("HelloRequest", c.HELLO_REQUEST, b""),
    ("ServerHello", c.SERVER_HELLO, bytes(38)),
    ("NewSessionTicket", c.NEW_TICKET, bytes(16)),
    ("EndOfEarlyData", c.END_OF_EARLY_DATA, b""),
    ("EncryptedExtensions", c.ENCRYPTED_EXTENSIONS, b"\0\0"),
    ("CertificateRequest", c.CERTIFICATE_REQUEST, bytes(8)),
    ("KeyUpdate", c.KEY_UPDATE, b"\0"),
    ("message hash", 254, bytes(32)),
    ("ServerHelloDone", c.HELLO_DONE, b""),
):
    attempt(_SUBJECT, f"{_name} from the client", proof=OPEN)(_unexpected(_kind, _body))


@attempt(_SUBJECT, "a second ClientHello in the first flight", proof=OPEN)
def second_hello(t):
    client = t.client()
    client.say_hello(host=t.host)
    if not t.honest:
        client.message(c.CLIENT_HELLO, client.hello.body())
    return t.complete(client.read_flight())


@attempt(_SUBJECT, "a second ClientHello after the server's flight", proof=OPEN)
def late_hello(t):
    client = t.start()
    if client.asked:
        client.message(c.CLIENT_HELLO, Hello("open.example").body())
    return t.complete(client)


@attempt(_SUBJECT, "warnings between all messages", proof=OPEN)
def warnings(t):
    client = t.client()
    client.say_hello(host=t.host)
    client.read_flight()
    client.alert(1, 90)
    if client.asked:
        client.certificate([])
        client.alert(1, 90)
    client.key_exchange()
    client.alert(1, 90)
    client.finish()
    return t.steal(client)


@attempt(_SUBJECT, "sixty warnings", proof="")
def many_warnings(t):
    client = t.start()
    for _ in range(60):
        client.alert(1, 100)
    return t.complete(client)


@attempt(_SUBJECT, "a fatal alert, then on as if nothing were", proof="")
def fatal_then_on(t):
    client = t.start()
    client.alert(2, 40)
    return t.complete(client)


@attempt(_SUBJECT, "heartbeat in the handshake", proof=OPEN)
def heartbeat(t):
    client = t.start()
    if client.asked:
        client.record(c.HEARTBEAT, b"\1\x3f\xff" + bytes(16))
    return t.complete(client)


@attempt(_SUBJECT, "records of no length", proof=OPEN)
def empty_records(t):
    client = t.start()
    for _ in range(20 if client.asked else 0):
        client.record(c.HANDSHAKE, b"")
    return t.complete(client)


@attempt(_SUBJECT, "a record of an unknown type", proof=OPEN)
def unknown_record(t):
    client = t.start()
    if client.asked:
        client.record(99, b"abc")
    return t.complete(client)


@attempt(_SUBJECT, "a record longer than allowed", proof=OPEN)
def long_record(t):
    client = t.start()
    if client.asked:
        client.raw(b"\x16\3\3\xff\xff" + bytes(65535))
    return t.complete(client)


@attempt(_SUBJECT, "the second flight under another connection's keys", versions=[TLS13], proof=HONEST)
def swapped_keys(t):
    first, second = t.start(), t.start()
    if not t.honest:
        second.writing = first.writing
    return t.complete(second, t.pick(None, t.pki.clients["good"]))


@attempt(_SUBJECT, "the second flight under keys of zeros", versions=[TLS13], proof=HONEST)
def wrong_keys(t):
    client = t.start()
    if not t.honest:
        client.writing = Gcm13(bytes(32))
    return t.complete(client, t.pick(None, t.pki.clients["good"]))
