# SPDX-License-Identifier: Apache-2.0
"""Servers that give libssl no descriptor, each with three TLS ports in one process."""

import hashlib
import hmac
import os
import shutil
import struct
import tempfile
from pathlib import Path

from support import procs
from support.pki import HOSTS
from support.ports import free_ports
from support.server import PLACEHOLDER_BODY, Server

SUPPORT = Path(__file__).resolve().parent.parent / "support"
UNPACKED = SUPPORT.parent.parent / "build-unpacked"


class Several(Server):
    forgets = False  # of several connections at once, one is left without an answer now and then, also without the shim

    def __init__(self, home, own, native=None):
        self.ports = free_ports(4)
        super().__init__(home, own, native)
        self.port = self.ports[0]

    def all_ports(self):
        return self.ports[:3]

    def is_ready(self):
        return all(procs.accepts(port) for port in self.all_ports())

    def said(self):
        """Everything it logged."""
        return "".join(path.read_text(errors="replace") for path in self.home.glob("*.log"))

    def write(self, name, text):
        (self.home / name).write_text(text)
        return self.home / name

    def request(self, host):
        return f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    def is_answer(self, data, host):
        return data.startswith(b"HTTP/1.") and b" 200 " in data[:20] and PLACEHOLDER_BODY.encode() in data


class HaproxySeveral(Several):
    name = "haproxy"
    executable = "/usr/sbin/haproxy"

    def configure(self):
        binds = "".join(f" bind 127.0.0.1:{port} ssl crt {self.home}/own0.both\n" for port in self.all_ports())
        self.write(
            "haproxy.cfg",
            "global\n user haproxy\n group haproxy\n nbthread 2\ndefaults\n mode http\n timeout connect 5s\n"
            f" timeout client 20s\n timeout server 20s\nfrontend main\n{binds}"
            f' http-request return status 200 content-type text/plain string "{PLACEHOLDER_BODY}"\n',
        )

    def command(self):
        return [self.executable, "-db", "-f", self.home / "haproxy.cfg"]


class ApacheSeveral(Several):
    name = "apache2"
    executable = "/usr/sbin/apache2"

    def configure(self):
        modules = "".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
            for name in ("mpm_event", "authz_core", "socache_shmcb", "ssl", "dir")
        )
        (self.home / "www").mkdir()
        (self.home / "www" / "index.html").write_text(PLACEHOLDER_BODY)
        listens = "".join(f"Listen 127.0.0.1:{port}\n" for port in self.all_ports())
        hosts = " ".join(f"127.0.0.1:{port}" for port in self.all_ports())
        self.write(
            "apache.conf",
            f"ServerRoot {self.home}\nServerName {HOSTS[0]}\nDefaultRuntimeDir {self.home}\nPidFile {self.home}/pid\n"
            f"Mutex file:{self.home} default\nErrorLog {self.home}/error.log\nUser www-data\nGroup www-data\n{modules}"
            f"StartServers 1\nServerLimit 1\nThreadsPerChild 8\nMaxRequestWorkers 8\nTimeout 20\n{listens}"
            f"<Directory {self.home}>\n Require all granted\n</Directory>\nDocumentRoot {self.home}/www\n"
            f"DirectoryIndex index.html\n<VirtualHost {hosts}>\n ServerName {HOSTS[0]}\n SSLEngine on\n"
            f" SSLCertificateFile {self.home}/own0.pem\n SSLCertificateKeyFile {self.home}/own0.key\n</VirtualHost>\n",
        )

    def command(self):
        return [self.executable, "-f", self.home / "apache.conf", "-DFOREGROUND"]


class AsyncioSeveral(Several):
    name = "asyncio"
    executable = "/usr/bin/python3"

    def configure(self):
        pass

    def command(self):
        program = [self.executable, SUPPORT / "asyncio_server.py"]
        return [*program, self.home / "own0.pem", self.home / "own0.key", *self.all_ports()]


class NodeSeveral(Several):
    name = "node"
    executable = str(UNPACKED / "nodejs/usr/bin/node")

    def configure(self):
        pass

    def command(self):
        library = UNPACKED / "libnode108/usr/lib/x86_64-linux-gnu"
        words = ["/usr/bin/env", f"LD_LIBRARY_PATH={library}", self.executable, SUPPORT / "https_ports.js"]
        return [*words, self.home / "own0.pem", self.home / "own0.key", *self.all_ports()]


class DovecotSeveral(Several):
    """One login process for all; `starttls` is a port that begins in plaintext."""

    name = "dovecot"
    executable = "/usr/lib/dovecot/imap-login"

    def configure(self):
        self.starttls = self.ports[3]
        self.run = tempfile.TemporaryDirectory(prefix="tg-")  # names of Unix sockets are short
        Path(self.run.name).chmod(0o755)
        listeners = "".join(
            f" inet_listener l{port} {{\n  port = {port}\n  ssl = yes\n }}\n" for port in self.all_ports()
        )
        self.write(
            "dovecot.conf",
            f"base_dir = {self.run.name}\nstate_dir = {self.home}/state\nlog_path = {self.home}/dovecot.log\n"
            f"protocols = imap\nlisten = 127.0.0.1\nssl = yes\nssl_cert = <{self.home}/own0.pem\n"
            f"ssl_key = <{self.home}/own0.key\nservice imap-login {{\n service_count = 0\n process_min_avail = 1\n"
            f" process_limit = 1\n inet_listener imap {{\n  port = {self.starttls}\n }}\n"
            f" inet_listener imaps {{\n  port = 0\n }}\n{listeners}}}\n"
            "passdb {\n driver = static\n args = password=word\n}\n"
            f"userdb {{\n driver = static\n args = uid=nobody gid=nogroup home={self.home}\n}}\n",
        )

    def stop(self):
        clean = super().stop()
        self.run.cleanup()
        return clean

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.home / "dovecot.conf"]

    def request(self, host):
        return b"a NOOP\r\nb LOGOUT\r\n"

    def is_answer(self, data, host):
        return b"a OK " in data and b"b OK " in data


class NamedSeveral(Several):
    name = "named"
    forgets = True
    executable = "/usr/sbin/named"

    def configure(self):
        var = self.home / "var"
        var.mkdir()
        for path in (var, self.home / "own0.key"):
            shutil.chown(path, "bind")
        (var / "zone").write_text(f'$TTL 60\n@ SOA ns h 1 60 60 60 60\n@ NS ns\n@ TXT "{PLACEHOLDER_BODY}"\nns A 127.0.0.1\n')
        listens = "".join(f" listen-on port {port} tls own {{ 127.0.0.1; }};\n" for port in self.all_ports())
        self.write(
            "named.conf",
            f'options {{\n directory "{var}";\n pid-file "{var}/pid";\n session-keyfile "{var}/session";\n{listens}'
            " listen-on-v6 { none; };\n recursion no;\n dnssec-validation no;\n};\n"
            f'tls own {{\n cert-file "{self.home}/own0.pem";\n key-file "{self.home}/own0.key";\n}};\ncontrols {{ }};\n'
            f'zone "{HOSTS[0]}" {{ type primary; file "{var}/zone"; }};\n',
        )

    def command(self):
        return [self.executable, "-f", "-u", "bind", "-c", self.home / "named.conf"]

    def request(self, host):
        labels = b"".join(bytes([len(label)]) + label for label in HOSTS[0].encode().split(b".")) + b"\0"
        query = b"\x12\x34\0\0\0\1\0\0\0\0\0\0" + labels + b"\0\x10\0\1"
        return struct.pack(">H", len(query)) + query

    def is_answer(self, data, host):
        return PLACEHOLDER_BODY.encode() in data


class FreeradiusSeveral(Several):
    name = "freeradius"
    executable = "/usr/sbin/freeradius"

    def configure(self):
        (self.home / "run").mkdir()
        (self.home / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n")
        listens = "".join(
            f"listen {{\n type = auth\n proto = tcp\n ipaddr = 127.0.0.1\n port = {port}\n virtual_server = one\n"
            f" clients = radsec\n limit {{\n  max_connections = 0\n }}\n tls {{\n  certificate_file = {self.home}/own0.pem\n"
            f'  private_key_file = {self.home}/own0.key\n  tls_min_version = "1.2"\n  tls_max_version = "1.3"\n'
            "  require_client_cert = no\n }\n}\n"
            for port in self.all_ports()
        )
        self.write(
            "radiusd.conf",
            f"prefix = /usr\nlibdir = /usr/lib/freeradius\nlogdir = {self.home}\nrun_dir = {self.home}/run\n"
            f"raddbdir = {self.home}\nname = freeradius\nmax_request_time = 10\nmax_requests = 1024\n"
            f"log {{\n destination = files\n file = {self.home}/radius.log\n}}\n"
            "security {\n status_server = yes\n allow_vulnerable_openssl = 'yes'\n}\nproxy_requests = no\n"
            "thread pool {\n start_servers = 1\n max_servers = 2\n min_spare_servers = 1\n max_spare_servers = 1\n"
            " max_requests_per_server = 0\n}\nmodules {\n}\n"
            f"{listens}clients radsec {{\n client local {{\n  ipaddr = 127.0.0.1\n  proto = tls\n  secret = radsec\n  limit {{\n   max_connections = 0\n  }}\n }}\n}}\n"
            "server one {\n authorize {\n }\n}\n",
        )

    def command(self):
        return [self.executable, "-f", "-n", "radiusd", "-d", self.home]

    def request(self, host):
        """Status-Server (RFC 5997) with its Message-Authenticator."""
        head = struct.pack(">BBH", 12, 1, 38) + os.urandom(16)
        sign = hmac.new(b"radsec", head + b"\x50\x12" + bytes(16), hashlib.md5).digest()
        return head + b"\x50\x12" + sign

    def is_answer(self, data, host):
        return data[:2] == b"\x02\x01"  # Access-Accept


SEVERAL = (
    HaproxySeveral, ApacheSeveral, AsyncioSeveral, NodeSeveral, DovecotSeveral, NamedSeveral, FreeradiusSeveral,
)
