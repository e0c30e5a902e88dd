# SPDX-License-Identifier: Apache-2.0
"""unbound: DNS over TLS with one local name; drops to the user unbound, two threads."""

import signal

from support import dns
from support.facts import OwnReload
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY, Server

_CONFIG = """
server:
    directory: "{home}"
    chroot: ""
    username: unbound
    pidfile: "{home}/unbound.pid"
    use-syslog: no
    logfile: ""
    do-daemonize: no
    num-threads: 2
    interface: 127.0.0.1@{port}
    tls-port: {port}
    tls-service-pem: "{home}/own0.pem"
    tls-service-key: "{home}/own0.key"
    local-zone: "{host}." static
    local-data: '{host}. TXT "{body}"'
remote-control:
    control-enable: no
"""


class Unbound(Server):
    name = "unbound"
    executable = "/usr/sbin/unbound"
    user = "unbound"
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, says="start of service"),)
    client = "kdig"

    def configure(self):
        (self.home / "unbound.conf").write_text(
            _CONFIG.format(home=self.home, port=self.port, host=HOSTS[0], body=PLACEHOLDER_BODY)
        )

    def command(self):
        return [self.executable, "-d", "-c", self.home / "unbound.conf"]

    def request(self, host):
        return dns.query(HOSTS[0])

    def conversation(self, host):
        return [(self.request(host), PLACEHOLDER_BODY.encode())]

    def client_words(self, who, ca):
        words = ["kdig", "@127.0.0.1", "-p", self.port, "+tls", f"+tls-ca={ca}", "+tls-hostname=one.example", "+short"]
        if who:
            words += [f"+tls-certfile={who.cert}", f"+tls-keyfile={who.key}"]
        return [*words, "TXT", HOSTS[0]]

    def client_served(self, done):
        return PLACEHOLDER_BODY.encode() in done.stdout

    def is_whole(self, data):
        return dns.whole(data)

    def is_answer(self, data, host):
        return dns.answers(data, PLACEHOLDER_BODY)
