# SPDX-License-Identifier: Apache-2.0
"""Sessions made under another policy, by another client, in another section or by another server; and forged ones."""

import os
import time
from dataclasses import replace

from support.client import TLS12, TLS13
from support.pki import HOSTS, URI_GOOD
from support.procs import wait_until

from attack import forge, policy
from attack.catalogue import HONEST, OPEN, add
from attack.tries import NotHere
from attack.wire.tls12 import Session12

_SUBJECT = "resumption"
GOOD = "the right client"


KINDS = {TLS12: ("ticket", "id"), TLS13: ("ticket",)}


def phases(case, injected):
    """(name, sections, whose certificate): sessions are made under each, and all are tried under the last policy."""
    pki = case.pki
    second = forge.leaf(forge.issuer_of(pki.second_ca))

    def mutual(**changes):
        return {"server": policy.mutual(case, injected, **changes)}

    return list(zip(BEFORE, [
        {"server": {"mode": "off"}},
        {"server": {"mode": "server", **case.pair(injected)}},
        mutual(mode="optional"),
        mutual(ca=[pki.ca.cert, pki.second_ca.cert], crl=None),
        mutual(crl=None),
        mutual(allow=None),
        mutual(allow="URI:spiffe://example/ns/*"),
    ], [None, None, None, second, pki.clients["revoked"], pki.clients["not allowed"], pki.clients["not allowed"]]))


def under_the_last(pki):
    """Sessions of the last policy itself: (name, whose, host)."""
    return [
        (GOOD, pki.clients["good"], HOSTS[0]),
        (OPEN_NAME, None, policy.OPEN_HOST),
        (OTHER_AUTHORITY, forge.leaf(forge.issuer_of(pki.second_ca)), policy.SECOND_HOST),
        (OTHER_RULES, forge.leaf(forge.root(pki), "operator", uri=None), policy.NAMES_HOST),
    ]


class Collection:
    """Sessions by (name, version, kind); what the server did not give, or does not resume, is not in it."""

    def __init__(self, make_try):
        self.make_try = make_try  # (version) -> Try
        self.found = {}

    def collect(self, name, who, host=HOSTS[0]):
        """One session of each kind; yields for each whether it resumed while nothing had changed, as a row's fields."""
        for version, kinds in KINDS.items():
            for kind in kinds:
                session = self._make(version, kind, host, who)
                session = session and self._resumed(version, session, host)
                if session:
                    self.found[name, version, kind] = session
                yield _title(name, kind), version, session is not None

    def _connection(self, version, steps):
        """The client that `steps` made, and what came."""
        t = self.make_try(version)
        made = []
        _, data = t.run(lambda t: made.append(t.client()) or steps(t, made[0]))
        return made[0], data

    def _make(self, version, kind, host, who):
        def steps(t, client):
            client.say_hello(host=host, **({"tickets": kind == "ticket"} if version == TLS12 else {}))
            return t.complete(client.read_flight(), who)

        client, _ = self._connection(version, steps)
        if version == TLS13:
            return client.session()
        if client.master is None or not (client.ticket if kind == "ticket" else client.session_id):
            return None
        return replace(client.session(), **({"id": b""} if kind == "ticket" else {"ticket": b""}))

    def _resumed(self, version, session, host):
        """The session to keep where it resumes: in TLS 1.3 the fresh one, since some tickets are good for one use."""
        def steps(t, client):
            say_hello(client, session, host)
            return t.complete(client.read_flight())

        client, data = self._connection(version, steps)
        if not (client.resumed and data):
            return None
        return (client.session() or session) if version == TLS13 else session


def say_hello(client, session, host=HOSTS[0], **options):
    if client.version == TLS12:
        options["tickets"] = bool(session.ticket)
    client.say_hello(session=session, host=host, **options)


def _title(name, kind):
    return f"{_SUBJECT}: {name}, by {kind}"


def _take(t, name, kind):
    session = t.sessions.get((name, t.version, kind))
    if session is None:
        raise NotHere(name)
    return session


def _resume(name, kind, host=HOSTS[0], early=False):
    def run(t):
        session = _take(t, name, kind)
        client = t.client()
        say_hello(client, session, host, **({"early": t.request} if early else {}))
        return t.complete(client.read_flight())

    return run


def _add(name, host=HOSTS[0], suffix=""):
    add(_SUBJECT, f"{name}{suffix}, by ticket", _resume(name, "ticket", host), proof="")
    add(_SUBJECT, f"{name}{suffix}, by id", _resume(name, "id", host), versions=[TLS12], proof="")
    add(
        _SUBJECT, f"{name}{suffix}, with early data", _resume(name, "ticket", host, early=True), versions=[TLS13], proof=""
    )


BEFORE = (
    "mode off", "mode server", "mode optional", "an authority that was removed", "a client revoked since",
    "a client no longer allowed", "rules that were fewer",
)
OPEN_NAME, OTHER_AUTHORITY, OTHER_RULES = "an open name", "a section with another authority", "a section with other rules"
TWIN, LISTENER = "another server with the same ticket keys", "an open listener of the same server"

for _name in (*BEFORE, OPEN_NAME, OTHER_AUTHORITY, OTHER_RULES, LISTENER):
    _add(_name)
_add(OPEN_NAME, policy.SECOND_HOST, " to another section")
_add(GOOD, policy.SECOND_HOST, " to another section")


# What a client sees of others' sessions on the wire, without their keys; and sessions of its own that it changed

def _changed(name, kind, change, **options):
    """`change(session)`: of the right client's session, which resumes unchanged."""
    def run(t):
        session = _take(t, GOOD, kind)
        client = t.client()
        say_hello(client, t.pick(change(session), session))
        return t.complete(client.read_flight())

    add(_SUBJECT, f"{name}, by {kind}", run, proof=HONEST, **options)


def _ticket(change):
    return lambda session: replace(session, ticket=change(session.ticket))


def _flip(at):
    """One bit of the ticket, `at` of its length (0 to 1)."""
    def change(ticket):
        place = min(int(len(ticket) * at), len(ticket) - 1)
        return ticket[:place] + bytes([ticket[place] ^ 1]) + ticket[place + 1 :]

    return _ticket(change)


_changed("the right client's ticket without its key", "ticket", lambda session: (
    replace(session, master=os.urandom(48)) if isinstance(session, Session12) else replace(session, key=os.urandom(32))))
_changed("the right client's id without its key", "id", lambda session: replace(session, master=os.urandom(48)),
         versions=[TLS12])
_changed("the right client's key with another id", "id", lambda session: replace(session, id=os.urandom(32)),
         versions=[TLS12])
for _where, _at in (("first", 0.0), ("key name's", 0.05), ("middle", 0.5), ("last", 1.0)):
    _changed(f"bit of the {_where} byte flipped", "ticket", _flip(_at))
_changed("ticket truncated", "ticket", _ticket(lambda ticket: ticket[:-7]))
_changed("ticket cut to its key name", "ticket", _ticket(lambda ticket: ticket[:16]))
_changed("ticket lengthened", "ticket", _ticket(lambda ticket: ticket + b"\0"))
_changed("ticket doubled", "ticket", _ticket(lambda ticket: ticket * 2))
_changed("blocks of the ticket exchanged", "ticket", _ticket(
    lambda ticket: ticket[:32] + ticket[48:64] + ticket[32:48] + ticket[64:]), versions=[TLS12])
_changed("other suite than the session's", "ticket", lambda session: replace(session, suite=0x009C), versions=[TLS12])


def _wrong_binder(t):
    session = _take(t, GOOD, "ticket")
    client = t.client()
    client.say_hello(session=session, host=t.host, wrong_binder=not t.honest)
    return t.complete(client.read_flight())


add(_SUBJECT, "the right client's ticket with a wrong binder", _wrong_binder, versions=[TLS13], proof=HONEST)


def _twin(kind):
    def run(t):
        session = _take(t, TWIN, kind)
        client = t.client()
        say_hello(client, session)
        client.read_flight()
        if t.honest and not client.resumed:
            raise NotHere("a full handshake proves nothing about the keys")
        return t.complete(client)

    return run


add(_SUBJECT, f"{TWIN}, by ticket", _twin("ticket"), proof=OPEN, fits=lambda target: target.server.ticket_keys)


# A client certificate that ends while its session lives

EXPIRING = "a client certificate that expired since"


def expiring_client(pki, seconds):
    return forge.leaf(forge.root(pki), uri=URI_GOOD, end=forge.datetime.timedelta(seconds=seconds))


def _expired(kind):
    def run(t):
        _take(t, EXPIRING, kind)
        end = t.sessions["end"]
        wait_until(lambda: time.time() > end + 1, 30, "the certificate's end")
        return _resume(EXPIRING, kind)(t)

    return run


add(_SUBJECT, f"{EXPIRING}, by ticket", _expired("ticket"), proof="")
add(_SUBJECT, f"{EXPIRING}, by id", _expired("id"), versions=[TLS12], proof="")
