# SPDX-License-Identifier: Apache-2.0
"""bind9's named: DNS over TLS with one zone; reads its certificate as the user bind, handshakes on memory BIOs."""

import shutil
import signal

from support import dns
from support.facts import OwnReload
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY, Server

_CONFIG = """
options {{
    directory "{home}/var";
    pid-file "{home}/var/named.pid";
    session-keyfile "{home}/var/session.key";
    listen-on port {port} tls own {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
}};
tls own {{
    cert-file "{home}/own0.pem";
    key-file "{home}/own0.key";
    {native}
}};
logging {{
    channel all {{ stderr; severity info; }};
    category default {{ all; }};
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


class Bind(Server):
    name = "bind9"
    executable = "/usr/sbin/named"
    user = "bind"
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, says="received SIGHUP signal to reload zones"),)
    client = "dig"

    def configure(self):
        (self.home / "var").mkdir()
        (self.home / "var" / "zone").write_text(_ZONE.format(body=PLACEHOLDER_BODY))
        for name in ("var", "own0.key"):
            shutil.chown(self.home / name, "bind")
        native = f'ca-file "{self.native.ca.cert}";' if self.native else ""
        (self.home / "named.conf").write_text(
            _CONFIG.format(home=self.home, port=self.port, host=HOSTS[0], native=native)
        )

    def command(self):
        return [self.executable, "-f", "-u", "bind", "-c", self.home / "named.conf"]

    def request(self, host):
        return dns.query(HOSTS[0])

    def conversation(self, host):
        return [(self.request(host), PLACEHOLDER_BODY.encode())]

    def client_words(self, who, ca):
        words = ["dig", "@127.0.0.1", "-p", self.port, "+tls", f"+tls-ca={ca}", "+tls-hostname=one.example", "+short"]
        if who:
            words += [f"+tls-certfile={who.cert}", f"+tls-keyfile={who.key}"]
        return [*words, "TXT", HOSTS[0]]

    def client_served(self, done):
        return PLACEHOLDER_BODY.encode() in done.stdout

    def is_whole(self, data):
        return dns.whole(data)

    def is_answer(self, data, host):
        return dns.answers(data, PLACEHOLDER_BODY)
