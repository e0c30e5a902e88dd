# SPDX-License-Identifier: Apache-2.0
"""One try of one attempt: its connections, its data, and the one thing in it that is forged."""

from support.client import TLS13
from support.client import probe as s_client
from support.pki import HOSTS

from attack.wire import sign
from attack.wire.client import Ended, connect
from attack.wire.protect import BadRecord
from attack.wire.tls12 import Tls12
from attack.wire.tls13 import Tls13

_PATIENCE, _LONG_PATIENCE = 0.4, 4.0  # seconds without an answer: of an attack, of its proof


class NotHere(Exception):
    """This server gives no such thing to try."""


class Try:
    """`honest`: this is the proof of an attempt; `sessions`: what was collected before the policy changed."""

    def __init__(self, target, version, honest=False, sessions=None):
        self.target = target
        self.server = target.server
        self.pki = target.pki
        self.version = version
        self.honest = honest
        self.sessions = sessions or {}
        self.host = HOSTS[0]
        self.port = target.server.port
        self.request = target.attack_request
        self.data = b""
        self.clients = []

    def pick(self, forged, good):
        return good if self.honest else forged

    # connections

    def client(self, version=None):
        """A client of our own, connected, which has said nothing of TLS yet."""
        opened = connect(self.port, self.target.speak_first)
        made = (Tls13 if (version or self.version) == TLS13 else Tls12)(opened, self._patience())
        made.group = self.server.group
        self.clients.append(made)
        return made

    def bare(self):
        """A client that speaks no TLS first, not even what its protocol says before."""
        made = Tls12(connect(self.port), self._patience())
        self.clients.append(made)
        return made

    def _patience(self):
        return _LONG_PATIENCE if self.honest else _PATIENCE

    def start(self, **hello):
        """To the end of the server's flight. Without `hello` or `host`: an ordinary one for the server's first host."""
        made = self.client()
        if "hello" not in hello:
            hello.setdefault("host", self.host)
        made.say_hello(**hello)
        return made.read_flight()

    def complete(self, client, who=None, data=None):
        """The rest as the protocol wants it, with the certificates and the key of `who`, or an empty Certificate."""
        self.second_flight(client, who)
        client.finish()
        return self.steal(client, data)

    def second_flight(self, client, who=None):
        """What comes before Finished."""
        if not client.resumed:
            if client.asked:
                client.certificate(who.chain if who else [])
            client.key_exchange()
            if client.asked and who:
                client.certificate_verify(key_of(who))

    def steal(self, client, data=None):
        client.send_data(self.request if data is None else data)
        return self.harvest(client)

    def harvest(self, client):
        how = client.harvest(lambda data: self.server.is_answer(data, self.host) if self.honest else bool(data))
        if how == "silent" and not self.honest:
            # What it was waiting for does not come any more: whatever it would say to that is part of the attempt.
            client.half_close()
            client.socket.settimeout(_PATIENCE)
            client.harvest(bool)
        return how

    def s_client(self, *options, version=None, sni=HOSTS[0], who=None, stdin=None):
        """One connection by openssl s_client with `options`."""
        result = s_client(
            self.port, self.request if stdin is None else stdin, version, client=who, sni=sni,
            more=[*self.server.s_client_options, *options],
        )
        self.data += result.data
        if result.data:
            return "answered"
        return result.alerts[-1] if result.alerts else "closed"

    # the whole

    def run(self, steps):
        """How it ended, and all data that came over any of its connections."""
        try:
            how = steps(self)
        except BadRecord:
            how = "unreadable"
        except Ended as end:
            how = str(end)
            if how == "silent" and self.clients:
                how = self.harvest(self.clients[-1])
        finally:
            for client in self.clients:
                self.data += client.data
                client.close()
        return how or "closed", self.data


def key_of(who):
    """The private key of a Credential or of a forged one."""
    return who.private if hasattr(who, "private") else sign.load_key(who.key)
