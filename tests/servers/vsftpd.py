# SPDX-License-Identifier: Apache-2.0
"""vsftpd from its unpacked package: processes made by raw clone, an empty chroot, no file descriptors to spare."""

import os
import re
import signal
import subprocess
from pathlib import Path

from support import client
from support.facts import OwnReload
from support.starttls import FtpServer, plaintext_note

_CONFIG = """
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
local_enable=NO
anon_root={home}/public
secure_chroot_dir={home}/empty
vsftpd_log_file={home}/vsftpd.log
xferlog_enable=YES
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl={tls_only}
force_anon_data_ssl={tls_only}
force_local_logins_ssl={tls_only}
force_local_data_ssl={tls_only}
implicit_ssl={implicit}
ftpd_banner=one{banner}
ssl_ciphers=HIGH
rsa_cert_file={home}/own0.pem
rsa_private_key_file={home}/own0.key
{native}
seccomp_sandbox={filter}
"""


def _reload(server):
    """Another banner, and SIGHUP: who is met by it sees the settings read anew."""
    server.banner += 1
    server.write()
    server.process.send_signal(signal.SIGHUP)


class Vsftpd(FtpServer):
    name = "vsftpd"
    executable = str(Path(__file__).resolve().parents[2] / "build-unpacked/vsftpd/usr/sbin/vsftpd")
    title = "vsftpd (AUTH TLS)"
    user = "nobody"
    processes = 0
    asks_by_itself = True
    own_reloads = (OwnReload("SIGHUP", _reload, shows=lambda server: server.greets_anew()),)
    closes_plaintext = "force_local_logins_ssl, force_local_data_ssl, and the same for anon, = YES"
    notes = (
        plaintext_note(closes_plaintext)
        + "; needs seccomp_sandbox = NO: Debian's filter kills its TLS without tlsgraft too"
    )

    def __init__(self, home, own, native=None, tls_only=False, filtered=False):
        self.filtered = filtered  # Debian's default: its filter of system calls kills AUTH TLS
        super().__init__(home, own, native, tls_only)

    def configure(self):
        self.make_public()
        (self.home / "empty").mkdir(mode=0o555)
        self.banner = 0
        self.write()

    def write(self):
        native = ""
        if self.native:
            native = f"require_cert=YES\nvalidate_cert=YES\nca_certs_file={self.native.ca.cert}"
        (self.home / "vsftpd.conf").write_text(
            _CONFIG.format(
                port=self.port, home=self.home, native=native, tls_only="YES" if self.tls_only else "NO",
                implicit="NO" if self.probe_options else "YES", banner=self.banner,
                filter="YES" if self.filtered else "NO",
            )
        )

    def command(self):
        return [self.executable, self.home / "vsftpd.conf"]

    def greets_anew(self):
        return b"220 one%d\r\n" % self.banner in client.plain(self.port, b"QUIT\r\n", speaks_first=True)

    @classmethod
    def version(cls):
        # it writes to where a client would be
        ours, theirs = os.pipe()
        with open(ours, "rb") as said:
            subprocess.run([cls.executable, "-v"], stdin=theirs, check=False)
            os.close(theirs)
            return re.search(rb"version (\d+\.\d+)", said.read())[1].decode()


class VsftpdImplicit(Vsftpd):
    name = "vsftpd-implicit"
    scheme = "ftps"
    probe_options = {}
