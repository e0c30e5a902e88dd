# SPDX-License-Identifier: Apache-2.0
"""TLS 1.2 as a client, one step at a time."""

import os
import struct
from dataclasses import dataclass

from attack.wire import client as c
from attack.wire import sign
from attack.wire.exchange import Exchange
from attack.wire.hello import SERVER_NAME, TICKET, Hello, vector
from attack.wire.protect import Gcm12, prf


@dataclass
class Session12:
    """What a client keeps of a connection: by id, by ticket, or both."""

    master: bytes
    suite: int
    id: bytes = b""
    ticket: bytes = b""
    host: str = ""


class Tls12(c.Client):
    version = "1.2"

    def __init__(self, opened, timeout=0.5):
        super().__init__(opened, timeout)
        self.master = self.server_public = self.offered = None
        self.client_verify = self.server_verify = self.ticket = b""
        self.resumed = False

    # first flight

    def say_hello(self, hello=None, session=None, host=None, tickets=True, piece=16384):
        """`tickets`: ask for one, so that the server does not keep the session itself."""
        self.hello = hello or Hello(host)
        self.offered = session
        if session:
            self.hello.session_id = session.id or os.urandom(32)
            self.hello.suites = [session.suite]
        if session and session.ticket:
            self.hello.extensions[TICKET] = session.ticket
        elif tickets:
            self.hello.extensions[TICKET] = b""
        self.message(c.CLIENT_HELLO, self.hello.body(), piece=piece)

    def _on_hello(self, body):
        self.server_random = body[2:34]
        self.session_id = body[35 : 35 + body[34]]
        self.suite = struct.unpack_from("!H", body, 35 + body[34])[0]
        self.resumed = self.offered is not None and self.session_id == self.hello.session_id != b""
        if self.resumed:
            self.have_master(self.offered.master)

    def read_flight(self):
        """To the end of the server's flight: ServerHelloDone, or Finished of a resumed session."""
        while True:
            kind, body = self.read_message(note=False)
            whole = bytes([kind]) + vector(3, body)
            if kind == c.FINISHED:
                self.server_verify = body
            if kind != c.HELLO_REQUEST:
                self.transcript += whole
            if kind == c.SERVER_HELLO:
                self._on_hello(body)
            elif kind == c.KEY_EXCHANGE:
                self.curve, self.server_public = int.from_bytes(body[1:3], "big"), body[4 : 4 + body[3]]
            elif kind == c.CERTIFICATE_REQUEST:
                self.asked = True
            elif kind == c.NEW_TICKET:
                self.ticket = body[6:]
            elif kind in (c.HELLO_DONE, c.FINISHED):
                return self

    # second flight

    def certificate(self, ders, raw=None):
        """`raw`: the whole body instead."""
        body = vector(3, b"".join(vector(3, der) for der in ders)) if raw is None else raw
        self.message(c.CERTIFICATE, body)

    def key_exchange(self):
        exchange = Exchange(self.curve)
        self.message(c.CLIENT_KEY_EXCHANGE, vector(1, exchange.public))
        secret = exchange.secret(self.server_public)
        self.have_master(prf(secret, b"master secret", self.hello.random + self.server_random, 48))

    def have_master(self, master):
        self.master = master
        block = prf(master, b"key expansion", self.server_random + self.hello.random, 40)
        self._next_writing = Gcm12(block[:16], block[32:36])
        self._next_reading = Gcm12(block[16:32], block[36:40])

    def signed_content(self):
        return self.transcript

    def certificate_verify(self, key, algorithm=None, body=None):
        self.message(c.CERTIFICATE_VERIFY, sign.message(key, self.signed_content(), algorithm) if body is None else body)

    def switch_writing(self):
        self.writing = self._next_writing

    def on_change_cipher_spec(self):
        self.reading = self._next_reading

    def send_finished(self):
        """ChangeCipherSpec and Finished."""
        self.change_cipher_spec()
        self.switch_writing()
        self.client_verify = prf(self.master, b"client finished", self.transcript_hash(), 12)
        self.message(c.FINISHED, self.client_verify)

    def finish(self):
        """Ours, and the server's Finished where it comes after ours."""
        self.send_finished()
        if not self.resumed:
            self.read_flight()
        return self

    def after_handshake(self, kind, body):
        if kind == c.HELLO_REQUEST:
            self.asked = True

    def session(self):
        host = self.hello.extensions.get(SERVER_NAME, b"")[5:].decode(errors="replace")
        return Session12(self.master, self.suite, self.session_id, self.ticket, host)
