# SPDX-License-Identifier: Apache-2.0
"""lighttpd, stunnel with a pre-shared key, hitch, and three whose clients ask for TLS by a command."""

import struct

from servers.dovecot import Dovecot
from servers.lighttpd import Lighttpd
from servers.postfix import Postfix
from servers.postgresql import Postgresql
from servers.terminators import Hitch, Stunnel

from attack.targets import LOOSE, Attacked, replaced
from attack.wire.client import Ended
from attack.wire.hello import P256


class AttackedLighttpd(Attacked, Lighttpd):
    label = "lighttpd"
    loose = True

    def configure(self):
        super().configure()
        commands = f'ssl.openssl.ssl-conf-cmd = ("MinProtocol" => "TLSv1", "CipherString" => "{LOOSE}")'
        replaced(self.home / "lighttpd.conf", 'ssl.engine = "enable"', f'ssl.engine = "enable"\n{commands}')


class AttackedStunnel(Attacked, Stunnel):
    label = "stunnel"
    under_asan = True
    loose = has_psk = True

    def configure(self):
        super().configure()
        keys = self.home / "psk"
        keys.write_text("thief:" + "11" * 32 + "\n")
        keys.chmod(0o600)
        replaced(
            self.home / "stunnel.conf", "[one]",
            f"[one]\nPSKsecrets = {keys}\nciphers = {LOOSE}\nsecurityLevel = 0\nsslVersionMin = TLSv1",
        )


class AttackedHitch(Attacked, Hitch):
    label = "hitch"


class StartsPlain(Attacked):
    """`dialogue`: (what the client says, what the server's answer must hold); the last one begins TLS."""

    starts_plain = forks_per_connection = True
    dialogue = ()

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, tls_only=True, **options)

    def prelude(self, opened, injected=b""):
        for number, (words, answer) in enumerate(self.dialogue):
            opened.sendall(words + (injected if number == len(self.dialogue) - 1 else b""))
            got = b""
            while answer not in got:
                piece = opened.recv(65536)
                if not piece or self.is_no(got + piece):
                    raise Ended("refused")
                got += piece

    def is_no(self, got):
        return False


class AttackedPostgresql(StartsPlain, Postgresql):
    label = "PostgreSQL"
    loose = True
    group = P256  # the only curve that it takes
    dialogue = ((struct.pack("!II", 8, 80877103), b"S"),)
    s_client_options = ("-starttls", "postgres")

    def is_no(self, got):
        return got != b"S"

    def configure(self):
        super().configure()
        with open(self.home / "data" / "postgresql.conf", "a") as config:
            config.write(f"ssl_ciphers = '{LOOSE}'\nssl_min_protocol_version = 'TLSv1'\n")


class AttackedDovecot(StartsPlain, Dovecot):
    """One login process for many connections, so that its sessions would resume, and its death would be seen."""

    label = "Dovecot"
    loose = True
    dialogue = ((b"", b"\r\n"), (b"x STARTTLS\r\n", b"x OK"))
    s_client_options = ("-starttls", "imap")

    def configure(self):
        super().configure()
        replaced(
            self.home / "dovecot.conf", "service imap-login {",
            f"ssl_cipher_list = {LOOSE}\nssl_min_protocol = TLSv1\nservice imap-login {{\n  service_count = 0",
        )

    def request(self, host):
        return b"a NOOP\r\nb LOGOUT\r\n"

    def is_answer(self, data, host):
        return b"a OK" in data and b"b OK" in data


class AttackedPostfix(StartsPlain, Postfix):
    label = "Postfix"
    loose = True
    dialogue = ((b"", b"220 "), (b"EHLO client.example\r\n", b"250 "), (b"STARTTLS\r\n", b"220 "))
    s_client_options = ("-starttls", "smtp")

    def configure(self):
        super().configure()
        with open(self.home / "config" / "main.cf", "a") as config:
            config.write(
                "smtpd_tls_mandatory_protocols = >=TLSv1\nsmtpd_tls_mandatory_ciphers = medium\n"
                f"tls_medium_cipherlist = {LOOSE}\n"
            )

    def request(self, host):
        return b"EHLO client.example\r\nNOOP\r\nQUIT\r\n"

    def is_answer(self, data, host):
        return b"250 2.0.0 Ok" in data and b"221 2.0.0 Bye" in data


MORE = (AttackedLighttpd, AttackedStunnel, AttackedHitch, AttackedPostgresql, AttackedDovecot, AttackedPostfix)
