# SPDX-License-Identifier: Apache-2.0
"""The servers that are attacked: those of tests/servers, configured as loosely as they can be, with shared ticket keys."""

import base64
import os

from support.ports import free_port
from servers.apache import Apache
from servers.haproxy import Haproxy, HaproxyWithCache
from servers.mosquitto import CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP, Mosquitto
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.redis import Redis

from attack.wire.hello import X25519

# Anonymous and NULL suites, weak keys: what the server itself would admit must not matter.
LOOSE = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


class Attacked:
    """What an attack must know of a server, with what is true of most."""

    label = "?"
    under_asan = False  # also runs with a sanitized shim inside
    loose = False  # offers every suite that libssl has
    has_psk = False  # knows a pre-shared key: "thief", 32 bytes of 0x11
    ticket_keys = False  # reads its ticket keys from a file, so that several servers share them
    forks_per_connection = False
    starts_plain = False  # the client asks for TLS by a command
    s_client_options = ()
    group = X25519  # that its key exchange is in
    open_port = None  # of a listener without client certificates
    spoken_for = False  # it speaks plaintext, and TLS is terminated for it
    greets = False  # it speaks first, so that its greeting is what may be stolen; the rest of the catalogue is others' to try

    side_effect = b""  # a request with a side effect, put before the ordinary one
    side_effect_request = b""

    def prelude(self, opened, injected=b""):
        """What a client and this server say before TLS; `injected` goes along with the command that begins it."""

    def shows_side_effect(self, data):
        return False

    def sections(self, sections):
        """What governs it as `sections` say."""
        return sections

    def beside(self, tree):
        """Processes that are no descendants of its own and must live. `tree`: its status."""
        return []


class TicketKeys:
    """One file of ticket keys for a server and its twin."""

    ticket_keys = True

    def key_file(self, size=80):
        path = self.home.parent / f"tickets-{self.label}"
        if not path.exists():
            path.write_bytes(os.urandom(size))
        return path


def replaced(path, old, new):
    text = path.read_text()
    if old not in text:
        raise AssertionError(f"{path}: no {old!r}")
    path.write_text(text.replace(old, new))


class AttackedNginx(TicketKeys, Attacked, Nginx):
    """Tickets, and a session cache that its workers share."""

    label = "nginx"
    under_asan = True
    loose = True

    def __init__(self, *arguments, **options):
        self.open_port = free_port()
        super().__init__(*arguments, more_ports=(self.open_port,), **options)

    def configure(self):
        super().configure()
        replaced(
            self.home / "nginx.conf", "access_log off;",
            f"access_log off; ssl_ciphers {LOOSE}; ssl_early_data on; ssl_session_cache shared:sessions:1m;"
            f"ssl_session_ticket_key {self.key_file()};",
        )


class NginxWithoutTickets(Attacked, Nginx):
    """Stateful sessions only, also in TLS 1.3."""

    label = "nginx-id"
    under_asan = True

    def configure(self):
        super().configure()
        replaced(
            self.home / "nginx.conf", "access_log off;",
            "access_log off; ssl_session_tickets off; ssl_session_cache shared:sessions:1m;",
        )


class AttackedApache(TicketKeys, Attacked, Apache):
    label = "Apache"
    loose = True

    def configure(self):
        super().configure()
        replaced(
            self.home / "apache.conf", "SSLEngine on",
            f"SSLEngine on\n    SSLCipherSuite {LOOSE}\n    SSLInsecureRenegotiation on",
        )
        replaced(
            self.home / "apache.conf", "SSLProtocol all -SSLv3",
            f"SSLProtocol all -SSLv3\nSSLSessionTicketKeyFile {self.key_file(48)}",
        )


class AttackedHaproxy(TicketKeys, Attacked, Haproxy):
    label = "HAProxy"
    loose = True

    def configure(self):
        super().configure()
        keys = self.home.parent / f"tickets-{self.label}"
        if not keys.exists():
            keys.write_bytes(b"".join(base64.b64encode(os.urandom(48)) + b"\n" for _ in range(3)))
        config = self.home / "haproxy.cfg"
        replaced(config, " ssl crt ", f" ssl ciphers {LOOSE} tls-ticket-keys {keys} crt ")
        replaced(config, "ssl-min-ver TLSv1.2", "ssl-min-ver TLSv1.0")


class AttackedHaproxyWithCache(Attacked, HaproxyWithCache):
    """Stateful sessions only, of a cache that keeps them without their context."""

    label = "HAProxy-id"


class AttackedMosquitto(Attacked, Mosquitto):
    label = "mosquitto"
    loose = True
    # PUBLISH, retained, of "1" to the topic "s"; then SUBSCRIBE to it
    side_effect = CONNECT + bytes.fromhex("3104000173" + "31")
    side_effect_request = CONNECT + bytes.fromhex("82060001000173" + "00") + PINGREQ + DISCONNECT

    def configure(self):
        super().configure()
        with open(self.home / "mosquitto.conf", "a") as config:
            config.write(f"ciphers {LOOSE}\n")

    def request(self, host):
        return CONNECT + PINGREQ + DISCONNECT

    def is_answer(self, data, host):
        return data.startswith(CONNACK) and data.endswith(PINGRESP)

    def shows_side_effect(self, data):
        return bytes.fromhex("31040001" + "7331") in data


class AttackedRedis(Attacked, Redis):
    label = "Redis"
    under_asan = True
    loose = True
    side_effect = b"SET stolen 1\r\n"
    side_effect_request = b"GET stolen\r\nPING\r\nQUIT\r\n"

    def configure(self):
        super().configure()
        self.options += ["--tls-ciphers", LOOSE, "--tls-session-caching", "yes"]

    def is_answer(self, data, host):
        return data.endswith(b"+PONG\r\n+OK\r\n")

    def shows_side_effect(self, data):
        return data.startswith(b"$1\r\n1")


class AttackedPython(Attacked, PythonSsl):
    label = "python3"
    under_asan = True
    loose = True

    def __init__(self, home, own, **options):
        super().__init__(home, own, method="PROTOCOL_TLS_SERVER:loose", **options)


TARGETS = (
    AttackedNginx, NginxWithoutTickets, AttackedApache, AttackedHaproxy, AttackedHaproxyWithCache, AttackedMosquitto,
    AttackedRedis, AttackedPython,
)
