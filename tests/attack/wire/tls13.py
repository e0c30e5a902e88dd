# SPDX-License-Identifier: Apache-2.0
"""TLS 1.3 as a client, one step at a time."""

import hashlib
import hmac
import struct
import time
from dataclasses import dataclass

from attack.wire import client as c
from attack.wire import sign
from attack.wire.exchange import Exchange
from attack.wire.hello import EARLY_DATA, KEY_SHARE, PRE_SHARED_KEY, TLS13, Hello, key_share, vector
from attack.wire.protect import EMPTY_HASH, Gcm13, derive, expand_label, extract

_RETRY = hashlib.sha256(b"HelloRetryRequest").digest()
_NOTHING = bytes(32)


@dataclass
class Session13:
    """A ticket and its key; `external`: a pre-shared key that no handshake made."""

    ticket: bytes
    key: bytes
    age_add: int = 0
    at: float = 0.0
    external: bool = False
    host: str = ""

    def age(self):
        passed = 0 if self.external else int((time.monotonic() - self.at) * 1000)
        return (passed + self.age_add) & 0xFFFFFFFF


class Tls13(c.Client):
    version = "1.3"

    def __init__(self, opened, timeout=0.5):
        super().__init__(opened, timeout)
        self.offered = None
        self.early = b""
        self.resumed = self.retried = self.early_accepted = False
        self.sessions = []
        self.context = b""
        self._master = None

    # first flight

    def new_share(self):
        """The body of a key_share extension."""
        self.exchange = Exchange(self.group)
        return key_share(self.group, self.exchange.public)

    def say_hello(self, hello=None, session=None, host=None, early=b"", wrong_binder=False, piece=16384):
        """`early`: application data to send at once under the session's early key."""
        self.hello = hello or Hello(host, TLS13)
        self.offered = session
        if KEY_SHARE not in self.hello.extensions:
            self.hello.extensions[KEY_SHARE] = self.new_share()
        if early:
            self.hello.extensions[EARLY_DATA] = b""
        if session:
            self._offer(session, wrong_binder)
        self.message(c.CLIENT_HELLO, self.hello.body(), piece=piece)
        if early and session:
            self.writing = Gcm13(derive(self._early_secret(), b"c e traffic", self.transcript_hash()))
            self.send_data(early)

    def _early_secret(self):
        return extract(_NOTHING, self.offered.key if self.offered else _NOTHING)

    def _offer(self, session, wrong_binder):
        """RFC 8446 section 4.2.11: last of the extensions, with a binder over all before it."""
        extensions = self.hello.extensions
        extensions.pop(PRE_SHARED_KEY, None)
        identity = vector(2, vector(2, session.ticket) + struct.pack("!I", session.age()))
        extensions[PRE_SHARED_KEY] = identity + vector(2, vector(1, _NOTHING))
        body = self.hello.body()
        cut = bytes([c.CLIENT_HELLO]) + len(body).to_bytes(3, "big") + body[:-35]
        label = b"ext binder" if session.external else b"res binder"
        key = expand_label(derive(self._early_secret(), label, EMPTY_HASH), b"finished", b"", 32)
        binder = hmac.digest(key, hashlib.sha256(self.transcript + cut).digest(), "sha256")
        if wrong_binder:
            binder = bytes([binder[0] ^ 1]) + binder[1:]
        extensions[PRE_SHARED_KEY] = identity + vector(2, vector(1, binder))

    def _on_hello(self, body):
        extensions, at = {}, 38 + body[34] + 2
        while at < len(body):
            kind, size = struct.unpack_from("!HH", body, at)
            extensions[kind] = body[at + 4 : at + 4 + size]
            at += 4 + size
        if body[2:34] == _RETRY:
            self.retried = True
            return False
        self.resumed = PRE_SHARED_KEY in extensions
        early = self._early_secret() if self.resumed else extract(_NOTHING, _NOTHING)
        shared = _NOTHING
        if KEY_SHARE in extensions:
            shared = self.exchange.secret(extensions[KEY_SHARE][4:])
        secret = extract(derive(early, b"derived", EMPTY_HASH), shared)
        now = self.transcript_hash()
        self._ours, theirs = derive(secret, b"c hs traffic", now), derive(secret, b"s hs traffic", now)
        self._master = extract(derive(secret, b"derived", EMPTY_HASH), _NOTHING)
        self.reading = Gcm13(theirs)
        return True

    def read_flight(self):
        """To the server's Finished, or to a HelloRetryRequest (`retried`)."""
        while True:
            before = self.transcript
            kind, body = self.read_message()
            if kind == c.SERVER_HELLO and not self._on_hello(body):
                made = self.transcript[len(before) :]
                self.transcript = b"\xfe\0\0\x20" + hashlib.sha256(before).digest() + made
                return self
            if kind == c.ENCRYPTED_EXTENSIONS:
                self.early_accepted = b"\0\x2a\0\0" in body
            elif kind == c.CERTIFICATE_REQUEST:
                self.asked = True
                self.context = body[1 : 1 + body[0]]
            elif kind == c.FINISHED:
                now = self.transcript_hash()
                self._our_data = derive(self._master, b"c ap traffic", now)
                self.reading = Gcm13(derive(self._master, b"s ap traffic", now))
                if self.early_accepted:
                    self.message(c.END_OF_EARLY_DATA, b"")
                self.writing = Gcm13(self._ours)
                return self

    # second flight

    def certificate(self, ders, raw=None):
        """`raw`: the whole body instead."""
        entries = vector(3, b"".join(vector(3, der) + b"\0\0" for der in ders))
        self.message(c.CERTIFICATE, vector(1, self.context) + entries if raw is None else raw)

    def key_exchange(self):
        """There is none here."""

    def signed_content(self):
        return sign.content13(self.transcript_hash())

    def certificate_verify(self, key, algorithm=None, body=None):
        self.message(c.CERTIFICATE_VERIFY, sign.message(key, self.signed_content(), algorithm) if body is None else body)

    def switch_writing(self):
        self.writing = Gcm13(self._our_data)

    def send_finished(self):
        key = expand_label(self._ours, b"finished", b"", 32)
        self.message(c.FINISHED, hmac.digest(key, self.transcript_hash(), "sha256"))
        self._resumption = derive(self._master, b"res master", self.transcript_hash())
        self.switch_writing()

    def finish(self):
        self.send_finished()
        return self

    def after_handshake(self, kind, body):
        if kind == c.NEW_TICKET:
            age_add, nonce_size = struct.unpack_from("!IB", body, 4)
            nonce, at = body[9 : 9 + nonce_size], 9 + nonce_size
            size = struct.unpack_from("!H", body, at)[0]
            key = expand_label(self._resumption, b"resumption", nonce, 32)
            self.sessions.append(Session13(body[at + 2 : at + 2 + size], key, age_add, time.monotonic()))
        elif kind == c.KEY_UPDATE:
            self.reading = self.reading.updated()
        elif kind == c.CERTIFICATE_REQUEST:
            self.asked = True

    def update_keys(self, ask=0):
        self.message(c.KEY_UPDATE, bytes([ask]), note=False)
        self.writing = self.writing.updated()

    def session(self):
        """The newest ticket; None where the server gave none."""
        return self.sessions[-1] if self.sessions else None
