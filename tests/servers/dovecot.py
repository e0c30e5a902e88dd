# SPDX-License-Identifier: Apache-2.0
"""Dovecot: imap-login processes are exec'ed with a cleaned environment, drop to dovenull, change their root."""

import subprocess

from support.facts import OwnReload
from support.pki import HOSTS
from support.ports import free_port
from support.starttls import StarttlsServer, plaintext_note, short_folder

_CONFIG = """
base_dir = {run}
state_dir = {home}/state
log_path = {home}/dovecot.log
instance_name = {home.name}
protocols = imap
listen = 127.0.0.1
ssl = {ssl}
{plaintext}
ssl_cert = <{home}/own0.pem
ssl_key = <{home}/own0.key
local_name {second} {{
  ssl_cert = <{home}/own1.pem
  ssl_key = <{home}/own1.key
}}
{native}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
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


def _reload(server):
    subprocess.run(["doveadm", "-c", server.home / "dovecot.conf", "reload"], check=True)


class Dovecot(StarttlsServer):
    name = "dovecot"
    executable = "/usr/lib/dovecot/imap-login"
    title = "Dovecot (STARTTLS)"
    package = "dovecot-core"
    user = "dovenull"
    processes = 0
    hosts = 2
    probe_options = {"starttls": "imap"}
    scheme = "imap"
    own_reloads = (OwnReload("doveadm reload", _reload, says="SIGHUP received - reloading configuration"),)
    client = "curl"
    resumes = {"1.2": False, "1.3": False}  # a process for each connection, without a store or tickets in common
    closes_plaintext = "ssl = required"
    plain_source = "127.0.0.2"
    notes = (
        plaintext_note(closes_plaintext)
        + "; a client with the server's own address counts as secure and is served all the same"
    )

    def configure(self):
        self.other_port = free_port()
        run = short_folder()
        mail = self.home / "mail"
        mail.mkdir()
        mail.chmod(0o777)
        native = ""
        if self.native:
            both = self.home / "native.pem"
            both.write_text(self.native.ca.cert.read_text() + self.native.crl.read_text())
            native = f"ssl_ca = <{both}\nssl_verify_client_cert = yes\nauth_ssl_require_client_cert = yes"
        imap, imaps = (self.port, self.other_port) if self.probe_options else (self.other_port, self.port)
        (self.home / "dovecot.conf").write_text(
            _CONFIG.format(
                home=self.home, run=run, second=HOSTS[1], imap=imap, imaps=imaps, native=native,
                ssl="required" if self.tls_only else "yes",
                plaintext="" if self.tls_only else "disable_plaintext_auth = no",
            )
        )

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.home / "dovecot.conf"]

    def request(self, host):
        return b"a LOGIN tester word\r\nb STATUS INBOX (MESSAGES)\r\nc LOGOUT\r\n"

    def is_answer(self, data, host):
        return b"a OK " in data and b"* STATUS INBOX (MESSAGES 0)" in data and b"c OK " in data

    def conversation(self, host):
        return [(b"a LOGIN tester word\r\n", b"a OK "), (b"b NOOP\r\n", b"b OK ")]

    def client_words(self, who, ca):
        return [*self.curl(self.scheme, who, ca), "-u", "tester:word", "-X", "STATUS INBOX (MESSAGES)"]

    def client_served(self, done):
        return done.returncode == 0 and b"STATUS INBOX (MESSAGES 0)" in done.stdout


class DovecotImaps(Dovecot):
    name = "dovecot-imaps"
    title = "Dovecot (imaps)"
    notes = ""
    scheme = "imaps"
    probe_options = {}
