# SPDX-License-Identifier: Apache-2.0
"""Web servers."""

import re
import subprocess

from support.backend import Backend
from support.server import PLACEHOLDER_BODY

from plaintext.server import SPACE, UNPACKED, FileServer, HttpServer

_NGINX = """
user www-data;
daemon off;
worker_processes 2;
pid {home}/nginx.pid;
error_log {home}/error.log info;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type text/plain;
    access_log {home}/access.log;
    client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
    uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
    server {{ listen 127.0.0.1:{port}; root {home}/www; }}
}}
"""


class Nginx(FileServer):
    name = "nginx"
    executable = "/usr/sbin/nginx"
    address_in = "access log"

    def configure(self):
        self.write_files()
        (self.home / "nginx.conf").write_text(_NGINX.format(home=self.home, port=self.port))

    def command(self):
        return [self.executable, "-c", self.home / "nginx.conf", "-e", self.home / "error.log"]


_APACHE = """
ServerRoot {home}
ServerName localhost
DefaultRuntimeDir {home}
PidFile {home}/apache.pid
Mutex file:{home} default
ErrorLog {home}/error.log
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
StartServers 2
ServerLimit 2
ThreadsPerChild 8
MaxRequestWorkers 16
Listen 127.0.0.1:{port}
DocumentRoot {home}/www
LogFormat "%a %r" short
CustomLog {home}/access.log short
<Directory {home}>
    Require all granted
</Directory>
"""


class Apache(FileServer):
    name = "apache2"
    executable = "/usr/sbin/apache2"
    title = "Apache"
    address_in = "access log"

    def configure(self):
        self.write_files()
        (self.home / "apache.conf").write_text(_APACHE.format(home=self.home, port=self.port))

    def command(self):
        return [self.executable, "-f", self.home / "apache.conf", "-DFOREGROUND"]


_LIGHTTPD = """
server.modules = ("mod_accesslog", "mod_staticfile")
server.document-root = "{home}/www"
server.upload-dirs = ("{home}")
server.username = "www-data"
server.groupname = "www-data"
server.bind = "127.0.0.1"
server.port = {port}
accesslog.filename = "{home}/access.log"
"""


class Lighttpd(FileServer):
    name = "lighttpd"
    executable = "/usr/sbin/lighttpd"
    user = "www-data"
    reload_signal = "USR1"
    address_in = "access log"
    notes = "its SIGHUP reopens logs alone, so `reload_signal = USR1`"

    def configure(self):
        self.write_files()
        (self.home / "access.log").touch()
        self.readable("access.log")
        (self.home / "lighttpd.conf").write_text(_LIGHTTPD.format(home=self.home, port=self.port))

    def command(self):
        return [self.executable, "-D", "-f", self.home / "lighttpd.conf"]


class PythonHttp(FileServer):
    """It closes after each answer."""

    name = "python3-http"
    executable = "/usr/bin/python3"
    title = "python3 http.server"
    package = "python3"
    run_user = "www-data"

    def configure(self):
        self.write_files()

    def talk(self):
        return [(self.get("/file.txt"), None)]

    def command(self):
        return [self.executable, "-u", "-m", "http.server", "-b", "127.0.0.1", "-d", self.home / "www", self.port]


class Busybox(FileServer):
    name = "busybox"
    title = "busybox httpd"
    executable = UNPACKED / "busybox/bin/busybox"
    engine = "relay"
    run_user = "www-data"
    notes = "makes the connection its standard input and output"

    @classmethod
    def version(cls):
        done = subprocess.run([cls.executable], capture_output=True, text=True, check=True)
        return re.match(r"BusyBox v(\d+\.\d+)", done.stdout)[1]

    def configure(self):
        self.write_files()

    def talk(self):
        return [(self.get("/big.txt"), None)]

    proof = b"00039999\n"

    def command(self):
        return [self.executable, "httpd", "-f", "-v", "-p", f"127.0.0.1:{self.port}", "-h", self.home / "www"]


class Webfs(FileServer):
    name = "webfs"
    executable = "/usr/bin/webfsd"
    title = "webfsd"
    address_in = "access log"

    def configure(self):
        self.write_files()
        (self.home / "access.log").touch()
        self.give_to("www-data")

    def command(self):
        words = [self.executable, "-F", "-4", "-i", "127.0.0.1", "-p", self.port, "-r", self.home / "www"]
        return [*words, "-u", "www-data", "-g", "www-data", "-L", self.home / "access.log"]


class Weborf(FileServer):
    """It logs nowhere but to syslog; a CGI program is told the address."""

    name = "weborf"
    executable = "/usr/bin/weborf"
    address_in = "CGI program"

    def configure(self):
        program = self.write_files() / "who.sh"
        program.write_text("printf 'Content-Type: text/plain\\r\\n\\r\\nfrom %s\\n' \"$REMOTE_ADDR\"\n")
        program.chmod(0o755)

    def talk(self):
        return [(self.get("/file.txt", close=False), b"server-data\n"), (self.get("/who.sh"), None)]

    def shows(self, address, said):
        return f"from ::ffff:{address}\n".encode() in said

    def same(self, data):
        return re.sub(rb"from ::ffff:127\.[.\d]+\n", b"from CLIENT\n", super().same(data))

    def command(self):
        return [
            self.executable, "-i", "127.0.0.1", "-p", self.port, "-b", self.home / "www", "-Y", "-c", ".sh,/bin/sh",
            "-u", 65534, "-g", 65534,
        ]


_TINYPROXY = """
User nobody
Group nogroup
Port {port}
Listen 127.0.0.1
Timeout 60
LogLevel Connect
MaxClients 20
Allow {space}
"""


class Tinyproxy(HttpServer):
    """A proxy, which fetches from a server in the test."""

    name = "tinyproxy"
    executable = "/usr/bin/tinyproxy"
    package = "tinyproxy-bin"

    def configure(self):
        self.backend = Backend()
        self.path = f"http://127.0.0.1:{self.backend.port}/"
        (self.home / "tinyproxy.conf").write_text(_TINYPROXY.format(port=self.port, space=SPACE))

    def talk(self):
        return [(self.get(self.path), None)]

    def same(self, data):
        return super().same(data).replace(b":%d" % self.backend.port, b":BACKEND")

    def words(self, port, tls):
        words = ["curl", "-sS", "--max-time", "10", "--resolve", f"one.example:{port}:127.0.0.1", "--noproxy", ""]
        if not tls:
            return [*words, "--proxy", f"http://one.example:{port}", self.path]
        who, ca = tls
        shown = ["--proxy-cert", who.cert, "--proxy-key", who.key] if who else []
        return [*words, "--proxy", f"https://one.example:{port}", "--proxy-cacert", ca, *shown, self.path]

    def command(self):
        return [self.executable, "-d", "-c", self.home / "tinyproxy.conf"]

    def stop(self):
        clean = super().stop()
        if self.backend:
            self.backend.stop()
            self.backend = None
        return clean


_HAPROXY = """
global
    user haproxy
    group haproxy
    log stderr format raw daemon
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend main
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain string "{body}\\n"
"""


class Haproxy(HttpServer):
    """A master and a worker, which may start no thread."""

    name = "haproxy"
    executable = "/usr/sbin/haproxy"
    title = "HAProxy"

    def configure(self):
        (self.home / "haproxy.cfg").write_text(_HAPROXY.format(port=self.port, body=PLACEHOLDER_BODY))

    def command(self):
        return [self.executable, "-W", "-db", "-f", self.home / "haproxy.cfg"]
