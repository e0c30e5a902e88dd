# SPDX-License-Identifier: Apache-2.0
"""nginx: a master as root, two workers as www-data, two virtual hosts."""

import hashlib
import os
import signal

from support import procs
from support.facts import OwnReload
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY, HttpServer

_HOST = """
    server {{
        listen 127.0.0.1:{port} ssl;
        {more_listens}
        server_name {host};
        ssl_certificate {home}/own{number}.pem;
        ssl_certificate_key {home}/own{number}.key;
        {native}
        location / {{ default_type text/plain; return 200 "{body} {host}\\n"; }}
        location /slow {{ alias {home}/files; limit_rate {rate}; }}
        location /files {{ alias {home}/files; }}
        {more}
    }}
"""

_CONFIG = """
user www-data;
daemon {daemon};
worker_processes {workers};
pid {home}/nginx.pid;
error_log {home}/error.log {level};
worker_rlimit_nofile 20000;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
    uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    {hosts}
}}
"""


def upgrade(server):
    """USR2: the running binary starts its successor, which inherits the sockets; then the old one leaves."""
    old = server.process
    old.send_signal(signal.SIGUSR2)
    procs.wait_until(lambda: (server.home / "nginx.pid.oldbin").exists() and server.pid_file.exists(), 10, "the new master")
    server.pid = int(procs.wait_until(server.pid_file.read_text, 10, "the new master's number"))
    procs.wait_until(lambda: len(server.workers()) == server.worker_count, 10, "the new master's workers")
    old.send_signal(signal.SIGQUIT)
    old.wait(10)
    server.process = procs.Adopted(server.pid)


class Nginx(HttpServer):
    name = "nginx"
    executable = "/usr/sbin/nginx"
    user = "www-data"
    title = "nginx (http)"
    processes = 2
    own_reloads = (
        OwnReload("SIGHUP", signal.SIGHUP, replaces=True),
        OwnReload("binary upgrade by USR2 and QUIT", upgrade, replaces=True),
    )

    def __init__(
        self, home, own, native=None, workers=2, daemon=False, slow_rate="256k", more_ports=(), more="", level="info",
        connections=2048,
    ):
        self.worker_count = workers
        self.daemon = daemon
        self.slow_rate = slow_rate
        self.more_ports = more_ports
        self.more = more
        self.level = level
        self.connections = connections
        super().__init__(home, own, native)
        if daemon:
            self.pid_file = self.home / "nginx.pid"

    def configure(self):
        native = ""
        if self.native:
            native = f"ssl_verify_client on; ssl_client_certificate {self.native.ca.cert}; ssl_crl {self.native.crl};"
        more_listens = " ".join(f"listen 127.0.0.1:{port} ssl;" for port in self.more_ports)
        hosts = "".join(
            _HOST.format(
                port=self.port, host=HOSTS[number], home=self.home, number=number, native=native, body=PLACEHOLDER_BODY,
                rate=self.slow_rate, more_listens=more_listens, more=self.more if number == 0 else "",
            )
            for number in range(len(self.own))
        )
        (self.home / "nginx.conf").write_text(
            _CONFIG.format(
                home=self.home, hosts=hosts, workers=self.worker_count, daemon="on" if self.daemon else "off",
                level=self.level, connections=self.connections,
            )
        )

    def write_file(self, name, size):
        """A file of random bytes under /files/ and /slow/; its SHA-256."""
        folder = self.home / "files"
        folder.mkdir(exist_ok=True)
        content = os.urandom(size)
        (folder / name).write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def command(self):
        return [self.executable, "-c", self.home / "nginx.conf", "-e", self.home / "error.log"]
