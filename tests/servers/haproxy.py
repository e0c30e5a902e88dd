# SPDX-License-Identifier: Apache-2.0
"""HAProxy in master-worker mode (-W): two certificates of its own, chosen by SNI."""

import signal

from support.facts import OwnReload
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY, HttpServer

_CONFIG = """
global
    user haproxy
    group haproxy
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend main
    bind 127.0.0.1:{port} ssl {certs} {native} {more}
    http-request return status 200 content-type text/plain lf-string "{body} %[req.hdr(host)]\\n"
"""


class Haproxy(HttpServer):
    name = "haproxy"
    executable = "/usr/sbin/haproxy"
    user = "haproxy"
    title = "HAProxy (master-worker)"
    own_reloads = (
        OwnReload("SIGUSR2 (the master executes itself)", signal.SIGUSR2, replaces=True),
        OwnReload("SIGHUP (the same)", signal.SIGHUP, replaces=True),
    )
    more = ""  # words of the bind line

    def configure(self):
        certs = " ".join(f"crt {self.home}/own{number}.both" for number in range(len(self.own)))
        native = f"verify required ca-file {self.native.ca.cert} crl-file {self.native.crl}" if self.native else ""
        (self.home / "haproxy.cfg").write_text(
            _CONFIG.format(port=self.port, certs=certs, native=native, more=self.more, body=PLACEHOLDER_BODY, host=HOSTS[0])
        )

    def command(self):
        return [self.executable, "-W", "-db", "-f", self.home / "haproxy.cfg"]


class HaproxySingle(Haproxy):
    """One process, without a master."""

    title = "HAProxy (single process)"
    own_reloads = ()
    no_own_reload = "a new process takes over (-sf)"

    def command(self):
        return [self.executable, "-db", "-f", self.home / "haproxy.cfg"]


class HaproxyWithCache(Haproxy):
    """No tickets: sessions lie in its own cache, which all workers share, and which stores them without their context."""

    name = "haproxy-cache"
    more = "no-tls-tickets"
