# SPDX-License-Identifier: Apache-2.0
"""nginx's stream and mail modules, which have a TLS code path of their own each."""

import signal

from servers.nginx import Nginx
from support.facts import OwnReload
from support.server import PLACEHOLDER_BODY, HttpServer, Server

_MASTER = """
load_module /usr/lib/nginx/modules/ngx_{module}_module.so;
user www-data;
daemon off;
worker_processes 2;
pid {home}/nginx.pid;
error_log {home}/error.log info;
events {{ worker_connections 512; }}
"""

_STREAM = """
stream {{
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {home}/own0.pem;
        ssl_certificate_key {home}/own0.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        proxy_pass unix:{home}/web;
    }}
}}
http {{
    access_log off;
    client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
    uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
    server {{
        listen unix:{home}/web;
        location / {{ default_type text/plain; return 200 "{body} $host\\n"; }}
    }}
}}
"""

# Whoever logs in is asked for at auth_http, which no test needs.
_MAIL = """
mail {{
    auth_http 127.0.0.1:1/;
    ssl_certificate {home}/own0.pem;
    ssl_certificate_key {home}/own0.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    server_name one.example;
    server {{
        listen 127.0.0.1:{port} {tls};
        protocol {protocol};
    }}
}}
"""


class NginxProxy(Server):
    """What both modules share."""

    name = "nginx"
    executable = Nginx.executable
    user = Nginx.user
    processes = 2
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, replaces=True),)
    module = config = "?"
    protocol = ""
    tls = "ssl"

    def configure(self):
        (self.home / "nginx.conf").write_text(
            (_MASTER + self.config).format(
                home=self.home, port=self.port, module=self.module, protocol=self.protocol, tls=self.tls,
                body=PLACEHOLDER_BODY,
            )
        )

    def command(self):
        return [self.executable, "-c", self.home / "nginx.conf", "-e", self.home / "error.log"]


class NginxStream(NginxProxy, HttpServer):
    title = "nginx (stream)"
    package = "libnginx-mod-stream"
    hosts = 1
    module = "stream"
    config = _STREAM


class NginxMail(NginxProxy):
    """Before a login nginx answers by itself."""

    package = "libnginx-mod-mail"
    module = "mail"
    config = _MAIL
    client = "curl"
    probe_options = {"greeting": True}
    scheme = greeted = "?"

    def client_words(self, who, ca):
        words = ["curl", "-sSv", "--max-time", 10, "--cacert", ca, "--resolve", f"one.example:{self.port}:127.0.0.1"]
        words += ["--cert", who.cert, "--key", who.key] if who else []
        return [*words, "-X", "NOOP", f"{self.scheme}://one.example:{self.port}/"]

    def client_served(self, done):
        return done.returncode == 0 and self.greeted in done.stderr


class NginxImaps(NginxMail):
    title = "nginx (mail, imaps)"
    protocol = "imap"
    scheme = "imaps"
    greeted = b"< * OK IMAP4 ready"

    def request(self, host):
        return b"a1 LOGOUT\r\n"

    def is_answer(self, data, host):
        return data == b"* OK IMAP4 ready\r\n* BYE\r\na1 OK completed\r\n"

    def conversation(self, host):
        return [(b"", b"* OK IMAP4 ready\r\n"), (b"a1 NOOP\r\n", b"a1 OK completed\r\n")]


class NginxImap(NginxImaps):
    """STARTTLS."""

    title = "nginx (mail, IMAP STARTTLS)"
    notes = "`starttls only` refuses logins in plaintext; what needs no login is answered"
    probe_options = {"starttls": "imap"}
    scheme = "imap"
    tls = "; starttls only"

    def is_answer(self, data, host):
        return data == b"* BYE\r\na1 OK completed\r\n"

    def conversation(self, host):
        return super().conversation(host)[1:]

    def client_words(self, who, ca):
        return [*super().client_words(who, ca), "--ssl-reqd"]

    def client_served(self, done):
        return super().client_served(done) and b"SSL connection using" in done.stderr


class NginxSmtps(NginxMail):
    title = "nginx (mail, smtps)"
    protocol = "smtp"
    scheme = "smtps"
    greeted = b"< 220 one.example ESMTP ready"

    def request(self, host):
        return b"QUIT\r\n"

    def is_answer(self, data, host):
        return data == b"220 one.example ESMTP ready\r\n221 2.0.0 Bye\r\n"

    def conversation(self, host):
        return [(b"", b"220 one.example ESMTP ready\r\n"), (b"NOOP\r\n", b"250 2.0.0 OK\r\n")]
