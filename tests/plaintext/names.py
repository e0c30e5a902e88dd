# SPDX-License-Identifier: Apache-2.0
"""DNS, mail and messages."""

import re
import shutil

from support import dns
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY
from support.starttls import short_folder

from servers.mosquitto import CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP
from plaintext.server import PlainServer, by_lines


class DnsServer(PlainServer):
    client = "dig"
    address_in = "query log"

    def talk(self):
        return [(dns.query(HOSTS[0]), dns.whole), (dns.query(HOSTS[0]), dns.whole)]

    def words(self, port, tls):
        words = ["dig", "@127.0.0.1", "-p", port, "+short"]
        if not tls:
            return [*words, "+tcp", "TXT", HOSTS[0]]
        who, ca = tls
        shown = [f"+tls-certfile={who.cert}", f"+tls-keyfile={who.key}"] if who else []
        return [*words, "+tls", f"+tls-ca={ca}", "+tls-hostname=one.example", *shown, "TXT", HOSTS[0]]


class Dnsmasq(DnsServer):
    """A process for each TCP connection; it closes all descriptors that it was started with."""

    name = "dnsmasq"
    executable = "/usr/sbin/dnsmasq"
    package = "dnsmasq-base"
    reload_signal = "USR1"
    notes = "TCP; its UDP port stays as it is"

    def configure(self):
        pass

    def command(self):
        return [
            self.executable, "-k", "-C", "/dev/null", f"--port={self.port}", "--listen-address=127.0.0.1", "--bind-interfaces",
            "--no-resolv", "--no-hosts", "--user=nobody", "--group=nogroup", "--pid-file", "--log-queries", "--log-facility=-",
            f"--txt-record={HOSTS[0]},{PLACEHOLDER_BODY}",
        ]


_NAMED = """
options {{
    directory "{home}/var";
    pid-file "{home}/var/named.pid";
    session-keyfile "{home}/var/session.key";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
    querylog yes;
}};
logging {{
    channel all {{ stderr; severity info; }};
    category default {{ all; }};
    category queries {{ all; }};
}};
controls {{ }};
zone "{host}" {{ type primary; file "{home}/var/zone"; }};
"""

_ZONE = """$TTL 60
@ SOA ns hostmaster 1 60 60 60 60
@ NS ns
@ TXT "{body}"
ns A 127.0.0.1
"""


class Named(DnsServer):
    name = "bind9"
    executable = "/usr/sbin/named"
    title = "bind9 (TCP)"
    notes = "TCP; its UDP port stays as it is"

    def configure(self):
        (self.home / "var").mkdir()
        (self.home / "var" / "zone").write_text(_ZONE.format(body=PLACEHOLDER_BODY))
        shutil.chown(self.home / "var", "bind")
        (self.home / "named.conf").write_text(_NAMED.format(home=self.home, port=self.port, host=HOSTS[0]))

    def is_ready(self):
        return super().is_ready() and "all zones loaded" in self.log_text()

    def command(self):
        return [self.executable, "-f", "-u", "bind", "-c", self.home / "named.conf"]


class Mosquitto(PlainServer):
    name = "mosquitto"
    executable = "/usr/sbin/mosquitto"
    client = "mosquitto_pub"
    proof = PINGRESP

    def configure(self):
        (self.home / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser mosquitto\nlog_dest stderr\n"
        )

    def command(self):
        return [self.executable, "-c", self.home / "mosquitto.conf"]

    def talk(self):
        return [(CONNECT, CONNACK), (PINGREQ, PINGRESP), (DISCONNECT, None)]

    def words(self, port, tls):
        words = ["mosquitto_pub", "-h", "localhost", "-p", port, "-i", "other", "-t", "topic", "-m", "text", "-q", 1, "-d"]
        if tls:
            who, ca = tls
            words += ["--cafile", ca, "--insecure", *(["--cert", who.cert, "--key", who.key] if who else [])]
        return words


_DOVECOT = """
base_dir = {run}
state_dir = {home}/state
log_path = {home}/dovecot.log
instance_name = plain
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
mail_location = maildir:{home}/mail/%u
passdb {{
  driver = static
  args = password=word
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}/mail/%u
}}
"""


class Dovecot(PlainServer):
    """imap-login may start no thread, and hands a client who has logged in to another process."""

    name = "dovecot"
    executable = "/usr/lib/dovecot/imap-login"
    title = "Dovecot (imap)"
    package = "dovecot-core"
    engine = "relay"
    notes = "gives a client who has logged in to another process, in the middle of a connection"
    proof = b"* STATUS INBOX (MESSAGES 0)"

    def configure(self):
        (self.home / "mail").mkdir()
        (self.home / "mail").chmod(0o777)
        run = short_folder()
        (self.home / "dovecot.conf").write_text(_DOVECOT.format(home=self.home, run=run, port=self.port))

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.home / "dovecot.conf"]

    def talk(self):
        return [
            (b"", b"ready.\r\n"), (b"a LOGIN tester word\r\n", b"a OK "), (b"b STATUS INBOX (MESSAGES)\r\n", b"b OK "),
            (b"c LOGOUT\r\n", None),
        ]

    def same(self, data):
        """How long it took, and whether it was asked before all its processes were there."""
        data = data.replace(b"* OK Waiting for authentication process to respond..\r\n", b"")
        return re.sub(rb"\([\d.]+ .*secs\)", b"(TIME)", data)

    def words(self, port, tls):
        words = ["curl", "-sS", "--max-time", "10", "-u", "tester:word", "-X", "STATUS INBOX (MESSAGES)"]
        words += ["--resolve", f"one.example:{port}:127.0.0.1"]
        if not tls:
            return [*words, f"imap://one.example:{port}/"]
        who, ca = tls
        return [*words, "--cacert", ca, *(["--cert", who.cert, "--key", who.key] if who else []), f"imaps://one.example:{port}/"]


class DovecotLogin(Dovecot):
    """What imap-login does by itself."""

    name = "dovecot-login"
    title = "Dovecot (imap-login alone)"
    engine = "direct"
    keys = {"engine": "direct"}
    client = "socat"
    notes = "with `engine = direct`, for a proxy, say: who logs in to this server itself is closed"
    proof = b"* CAPABILITY IMAP4rev1"

    def talk(self):
        return [(b"", b"ready.\r\n"), (b"a CAPABILITY\r\n", b"a OK "), (b"b LOGOUT\r\n", None)]

    def words(self, port, tls):
        return by_lines("a CAPABILITY\\r\\nb LOGOUT\\r\\n", port, tls)
