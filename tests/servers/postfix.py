# SPDX-License-Identifier: Apache-2.0
"""Postfix: master starts smtpd with a cleaned environment as root; smtpd drops its user and changes its root."""

import subprocess

from support.facts import OwnReload
from support.pki import HOSTS
from support.ports import free_port
from support.starttls import StarttlsServer, plaintext_note, short_folder

_MAIN = """
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {home}/data
meta_directory = /etc/postfix
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
smtpd_tls_security_level = {level}
smtpd_tls_session_cache_database = btree:{home}/data/sessions
tls_server_sni_maps = texthash:{home}/names
{native}
"""

# As Debian's own file: smtpd in a changed root, tlsmgr, the two listeners on ports of the test's.
_MASTER = """
127.0.0.1:{smtp} inet n - y - - smtpd
127.0.0.1:{smtps} inet n - y - - smtpd
  -o smtpd_tls_wrappermode=yes
pickup unix n - y 60 1 pickup
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - y 1000? 1 tlsmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
trace unix - - y - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - y - - smtp
error unix - - y - - error
retry unix - - y - - error
local unix - n n - - local
anvil unix - - y - 1 anvil
scache unix - - y - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def _reload(server):
    subprocess.run(
        ["/usr/sbin/postfix", "-c", server.home / "config", "reload"], stdin=subprocess.DEVNULL, capture_output=True,
        check=True,
    )


class Postfix(StarttlsServer):
    name = "postfix"
    executable = "/usr/lib/postfix/sbin/smtpd"
    title = "Postfix (STARTTLS)"
    package = "postfix"
    user = "postfix"
    processes = 0
    hosts = 2
    probe_options = {"starttls": "smtp"}
    scheme = "smtp"
    own_reloads = (OwnReload("postfix reload", _reload, says="reload -- version"),)
    client = "curl"
    closes_plaintext = "smtpd_tls_security_level = encrypt"
    notes = plaintext_note(closes_plaintext)

    def configure(self):
        self.other_port = free_port()
        config = self.home / "config"
        for name in ("config", "data"):
            (self.home / name).mkdir()
        subprocess.run(["chown", "postfix:postfix", self.home / "data"], check=True)
        native = ""
        if self.native:
            native = f"smtpd_tls_req_ccert = yes\nsmtpd_tls_ask_ccert = yes\nsmtpd_tls_CAfile = {self.native.ca.cert}"
        second = self.home / "own1.key-first"
        second.write_text((self.home / "own1.key").read_text() + (self.home / "own1.pem").read_text())
        second.chmod(0o600)
        (self.home / "names").write_text(f"{HOSTS[1]} {second}\n")
        level = "encrypt" if self.tls_only or self.native else "may"
        smtp, smtps = (self.port, self.other_port) if self.probe_options else (self.other_port, self.port)
        (config / "main.cf").write_text(_MAIN.format(home=self.home, queue=short_folder(), level=level, native=native))
        (config / "master.cf").write_text(_MASTER.format(smtp=smtp, smtps=smtps))

    def command(self):
        return ["/usr/sbin/postfix", "-c", self.home / "config", "start-fg"]

    def stop(self):
        """Its foreground process is a shell that waits for master: the end is asked for as its unit does."""
        if self.process is not None and self.process.poll() is None:
            subprocess.run(
                ["/usr/sbin/postfix", "-c", self.home / "config", "stop"], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False,
            )
        return super().stop()

    def request(self, host):
        return b"EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRSET\r\nQUIT\r\n"

    def is_answer(self, data, host):
        return b"250-one.example" in data and b"250 2.1.0 Ok" in data and b"221 2.0.0 Bye" in data

    def conversation(self, host):
        return [(b"EHLO client.example\r\n", b"250 CHUNKING\r\n"), (b"NOOP\r\n", b"250 2.0.0 Ok\r\n")]

    def client_words(self, who, ca):
        return [*self.curl(self.scheme, who, ca), "-X", "NOOP"]

    def client_served(self, done):
        return done.returncode == 0 and done.stdout == b"250 2.0.0 Ok\r\n"


class PostfixSmtps(Postfix):
    name = "postfix-smtps"
    title = "Postfix (smtps)"
    notes = ""
    scheme = "smtps"
    probe_options = {}
