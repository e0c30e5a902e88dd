"""ProFTPD with mod_tls: a process for each connection; it closes every descriptor at its start."""

import signal

from support.facts import OwnReload
from support.starttls import FtpServer, plaintext_note

_CONFIG = """
LoadModule mod_tls.c
ServerType standalone
DefaultServer on
ServerName one.example
DefaultAddress 127.0.0.1
Port {port}
SocketBindTight on
User proftpd
Group nogroup
PidFile {home}/proftpd.pid
ScoreboardFile {home}/proftpd.scoreboard
SystemLog {home}/system.log
WtmpLog off
TransferLog none
UseIPv6 off
UseReverseDNS off
DelayEngine off
RequireValidShell off
<Anonymous {home}/public>
    User ftp
    Group nogroup
    UserAlias anonymous ftp
</Anonymous>
TLSEngine on
TLSLog {home}/tls.log
TLS{own}CertificateFile {home}/own0.pem
TLS{own}CertificateKeyFile {home}/own0.key
TLSRequired {tls_only}
{options}
{native}
"""


class Proftpd(FtpServer):
    name = "proftpd"
    executable = "/usr/sbin/proftpd"
    title = "ProFTPD (AUTH TLS)"
    package = "proftpd-core"
    user = "proftpd"
    processes = 0
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, says="master server reparsing configuration file"),)
    closes_plaintext = "TLSRequired on"
    notes = plaintext_note(closes_plaintext)

    def configure(self):
        self.make_public()
        native = ""
        if self.native:
            native = (
                f"TLSVerifyClient on\nTLSCACertificateFile {self.native.ca.cert}\n"
                f"TLSCARevocationFile {self.native.crl}"
            )
        (self.home / "proftpd.conf").write_text(
            _CONFIG.format(
                port=self.port, home=self.home, native=native, tls_only="on" if self.tls_only else "off",
                options="" if self.probe_options else "TLSOptions UseImplicitSSL", own="EC" if self.own[0].is_ec() else "RSA",
            )
        )

    def command(self):
        return [self.executable, "-n", "-c", self.home / "proftpd.conf"]


class ProftpdImplicit(Proftpd):
    name = "proftpd-implicit"
    scheme = "ftps"
    probe_options = {}
