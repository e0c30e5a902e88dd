# SPDX-License-Identifier: Apache-2.0
"""ProFTPD with mod_tls: a process for each connection; it closes every descriptor at its start."""

import signal

from support.facts import OwnReload
from support.pki import HOSTS
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
TLSLog {home}/tls.log
{hosts}
"""

_HOST = """
ServerAlias {host}
RequireValidShell off
DelayEngine off
<Anonymous {home}/public>
    User ftp
    Group nogroup
    UserAlias anonymous ftp
</Anonymous>
TLSEngine on
TLS{own}CertificateFile {home}/own{number}.pem
TLS{own}CertificateKeyFile {home}/own{number}.key
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
        hosts = [
            _HOST.format(
                home=self.home, number=number, host=HOSTS[number], own="EC" if own.is_ec() else "RSA", native=native,
                tls_only="on" if self.tls_only else "off",
                options="" if self.probe_options else "TLSOptions UseImplicitSSL",
            )
            for number, own in enumerate(self.own)
        ]
        if len(hosts) > 1:  # it knows by SNI what is in a <VirtualHost>
            hosts = [f"<VirtualHost 127.0.0.1>\nPort {self.port}\n{host}</VirtualHost>\n" for host in hosts]
        port = self.port if len(hosts) == 1 else 0
        (self.home / "proftpd.conf").write_text(_CONFIG.format(port=port, home=self.home, hosts="".join(hosts)))

    def command(self):
        return [self.executable, "-n", "-c", self.home / "proftpd.conf"]


class ProftpdImplicit(Proftpd):
    name = "proftpd-implicit"
    scheme = "ftps"
    probe_options = {}


class ProftpdHosts(Proftpd):
    """Two hosts by SNI. It turns away a name that is none of them, so that its row is measured with one."""

    name = "proftpd-hosts"
    hosts = 2
