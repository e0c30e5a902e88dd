"""Servers beyond tests/servers/everyone.py: lighttpd, stunnel with a pre-shared key, and three that begin in plaintext."""

import shutil
import socketserver
import struct
import subprocess
import threading
from pathlib import Path

from attack.targets import LOOSE, Attacked
from attack.wire.client import Ended
from attack.wire.hello import P256
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY, HttpServer, Server

_LIGHTTPD = """
server.modules = ("mod_openssl")
server.document-root = "{home}/www"
server.username = "www-data"
server.port = {port}
server.bind = "127.0.0.1"
index-file.names = ("index.html")
ssl.engine = "enable"
ssl.pemfile = "{home}/own0.pem"
ssl.privkey = "{home}/own0.key"
ssl.openssl.ssl-conf-cmd = ("MinProtocol" => "TLSv1", "CipherString" => "{loose}")
"""


class AttackedLighttpd(Attacked, HttpServer):
    name = "lighttpd"
    label = "lighttpd"
    executable = "/usr/sbin/lighttpd"
    hosts = 1
    loose = True

    def configure(self):
        folder = self.home / "www"
        folder.mkdir()
        (folder / "index.html").write_text(f"{PLACEHOLDER_BODY} {HOSTS[0]}\n")
        (self.home / "lighttpd.conf").write_text(_LIGHTTPD.format(home=self.home, port=self.port, loose=LOOSE))

    def command(self):
        return [self.executable, "-D", "-f", self.home / "lighttpd.conf"]


_STUNNEL = """
foreground = yes
pid =
debug = notice
[http]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{behind}
cert = {home}/own0.pem
key = {home}/own0.key
PSKsecrets = {home}/psk
ciphers = {loose}
securityLevel = 0
sslVersionMin = TLSv1
"""


class _Behind(socketserver.ThreadingTCPServer):
    """What stunnel passes plaintext to."""

    daemon_threads = allow_reuse_address = True

    class _Handler(socketserver.StreamRequestHandler):
        def handle(self):
            if self.rfile.readline().startswith(b"GET "):
                self.wfile.write(f"HTTP/1.0 200 OK\r\n\r\n{PLACEHOLDER_BODY} {HOSTS[0]}\n".encode())

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self._Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class AttackedStunnel(Attacked, HttpServer):
    name = "stunnel"
    label = "stunnel"
    executable = "/usr/bin/stunnel4"
    hosts = 1
    loose = has_psk = True

    def configure(self):
        self.behind = _Behind()
        (self.home / "psk").write_text("thief:" + "11" * 32 + "\n")
        (self.home / "psk").chmod(0o600)
        (self.home / "stunnel.conf").write_text(
            _STUNNEL.format(home=self.home, port=self.port, behind=self.behind.server_address[1], loose=LOOSE)
        )

    def command(self):
        return [self.executable, self.home / "stunnel.conf"]

    def stop(self):
        if self.process is not None:
            self.behind.shutdown()
            self.behind.server_close()
        return super().stop()


class StartsPlain(Attacked):
    """`dialogue`: (what the client says, what the server's answer must hold), the last one begins TLS."""

    starts_plain = forks_per_connection = True
    dialogue = ()

    def prelude(self, opened, injected=b""):
        for number, (words, answer) in enumerate(self.dialogue):
            opened.sendall(words + (injected if number == len(self.dialogue) - 1 else b""))
            got = b""
            while answer not in got:
                piece = opened.recv(65536)
                if not piece:
                    raise Ended("closed")
                got += piece
                if not self.may_precede(got, answer):
                    raise Ended("refused")

    def may_precede(self, got, answer):
        return True


_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
_POSTGRES = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{home}/own0.pem'
ssl_key_file = '{home}/own0.key'
ssl_ciphers = '{loose}'
fsync = off
shared_buffers = 1MB
max_connections = 40
"""


class AttackedPostgresql(StartsPlain, Server):
    name = "postgresql"
    label = "PostgreSQL"
    executable = str(_PROGRAMS / "postgres")
    run_user = "postgres"
    group = P256  # the only curve that it takes
    loose = True
    dialogue = ((struct.pack("!II", 8, 80877103), b"S"),)
    s_client_options = ("-starttls", "postgres")

    def may_precede(self, got, answer):
        return got == answer

    def is_ready(self):
        return "ready to accept connections" in self.output.read_text()

    def configure(self):
        data = self.home / "data"
        data.mkdir()
        for path in (self.home, *self.home.iterdir()):
            shutil.chown(path, self.run_user, self.run_user)
        subprocess.run(
            ["setpriv", f"--reuid={self.run_user}", f"--regid={self.run_user}", "--clear-groups", _PROGRAMS / "initdb", "-N",
             "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C"],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True,
        )
        with open(data / "postgresql.conf", "a") as config:
            config.write(_POSTGRES.format(home=self.home, port=self.port, loose=LOOSE))
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n")

    def command(self):
        return [self.executable, "-D", self.home / "data"]

    def request(self, host):
        def message(kind, body):
            return kind + struct.pack("!I", len(body) + 4) + body

        start = message(b"", struct.pack("!I", 196608) + b"user\0tester\0database\0postgres\0\0")
        return start + message(b"Q", f"SELECT '{PLACEHOLDER_BODY}'".encode() + b"\0") + message(b"X", b"")

    def is_answer(self, data, host):
        return b"D\0\0\0" in data and PLACEHOLDER_BODY.encode() in data


_DOVECOT = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
instance_name = {home.name}
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{home}/own0.pem
ssl_key = <{home}/own0.key
ssl_cipher_list = {loose}
ssl_min_protocol = TLSv1
service imap-login {{
  service_count = 0
  process_min_avail = 1
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
passdb {{
  driver = static
  args = password=word
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}
}}
"""


class AttackedDovecot(StartsPlain, Server):
    name = "dovecot"
    label = "Dovecot"
    executable = "/usr/lib/dovecot/imap-login"
    loose = True
    dialogue = ((b"", b"\r\n"), (b"x STARTTLS\r\n", b"x OK"))
    s_client_options = ("-starttls", "imap")

    def configure(self):
        (self.home / "dovecot.conf").write_text(_DOVECOT.format(home=self.home, port=self.port, loose=LOOSE))

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.home / "dovecot.conf"]

    def request(self, host):
        return b"a NOOP\r\nb LOGOUT\r\n"

    def is_answer(self, data, host):
        return b"a OK" in data and b"b OK" in data


_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = one.example
mydestination = one.example
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtpd_tls_cert_file = {home}/own0.pem
smtpd_tls_key_file = {home}/own0.key
smtpd_tls_security_level = encrypt
smtpd_tls_session_cache_database = btree:{home}/data/sessions
smtpd_tls_mandatory_protocols = >=TLSv1
tls_medium_cipherlist = {loose}
smtpd_tls_mandatory_ciphers = medium
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class AttackedPostfix(StartsPlain, Server):
    name = "postfix"
    label = "Postfix"
    executable = "/usr/lib/postfix/sbin/smtpd"
    loose = True
    dialogue = ((b"", b"220 "), (b"EHLO client.example\r\n", b"250 "), (b"STARTTLS\r\n", b"220 "))
    s_client_options = ("-starttls", "smtp")

    def configure(self):
        config = self.home / "config"
        for name in ("config", "queue", "data"):
            (self.home / name).mkdir()
        shutil.chown(self.home / "data", "postfix", "postfix")
        (config / "main.cf").write_text(_MAIN.format(home=self.home, loose=LOOSE))
        (config / "master.cf").write_text(_MASTER.format(port=self.port))
        for name in ("postfix-script", "post-install", "postfix-files"):
            (config / name).symlink_to(Path("/etc/postfix") / name)

    def _postfix(self, word):
        return ["/usr/sbin/postfix", "-c", self.home / "config", word]

    def command(self):
        return self._postfix("start-fg")

    def stop(self):
        """Its foreground process is a shell that waits for master: the end is asked for as its unit does."""
        if self.process is not None and self.process.poll() is None:
            subprocess.run(
                self._postfix("stop"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                timeout=20, check=False,
            )
        return super().stop()

    def request(self, host):
        return b"EHLO client.example\r\nNOOP\r\nQUIT\r\n"

    def is_answer(self, data, host):
        return b"250 2.0.0 Ok" in data and b"221 2.0.0 Bye" in data


MORE = (AttackedLighttpd, AttackedStunnel, AttackedPostgresql, AttackedDovecot, AttackedPostfix)
