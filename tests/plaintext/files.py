# SPDX-License-Identifier: Apache-2.0
"""FTP and rsync, also by inetd; ssh."""

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

from support import client
from support.pki import new_key

from servers.proftpd import Proftpd as TlsProftpd
from servers.vsftpd import Vsftpd as TlsVsftpd
from plaintext.server import BODY, SPACE, FileServer, PlainServer

_DATA_NOTE = "transfers run over ports of their own: give the server a range of them and govern it too"


class FtpServer(PlainServer):
    """One anonymous user and a folder."""

    by_socat = True
    notes = _DATA_NOTE

    def make_public(self):
        (self.home / "public").mkdir(mode=0o755)
        (self.home / "public" / "file").write_bytes(BODY)

    def talk(self):
        def line(number):
            return lambda data: re.search(rb"(?m)^%d [^\n]*\n" % number, data) is not None

        return [
            (b"", line(220)), (b"USER anonymous\r\n", line(331)), (b"PASS guest@client.example\r\n", line(230)),
            (b"TYPE I\r\n", line(200)), (b"SIZE file\r\n", line(213)), (b"QUIT\r\n", None),
        ]

    proof = b"213 %d\r\n" % len(BODY)

    def words(self, port, tls):
        return ["curl", "-sS", "--max-time", "10", f"ftp://127.0.0.1:{port}/file"]


_VSFTPD = """
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
xferlog_std_format=NO
"""


class Vsftpd(FtpServer):
    """Two processes, made by raw clone, use one connection; a filter of system calls is on."""

    name = "vsftpd"
    executable = TlsVsftpd.executable
    engine = "relay"
    notes = f"two processes use each connection; {_DATA_NOTE}"
    version = TlsVsftpd.version

    def configure(self):
        self.make_public()
        (self.home / "empty").mkdir(mode=0o555)
        (self.home / "vsftpd.conf").write_text(_VSFTPD.format(port=self.port, home=self.home))

    def command(self):
        return [self.executable, self.home / "vsftpd.conf"]


_PROFTPD = """
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
RequireValidShell off
DelayEngine off
<Anonymous {home}/public>
    User ftp
    Group nogroup
    UserAlias anonymous ftp
</Anonymous>
"""


class Proftpd(FtpServer):
    name = "proftpd"
    executable = TlsProftpd.executable
    title = "ProFTPD"
    package = "proftpd-core"
    engine = "relay"
    notes = f"makes the connection its standard input and output; {_DATA_NOTE}"

    def configure(self):
        self.make_public()
        (self.home / "proftpd.conf").write_text(_PROFTPD.format(port=self.port, home=self.home))

    def command(self):
        return [self.executable, "-n", "-c", self.home / "proftpd.conf"]


_RSYNCD = """
log file = {home}/rsyncd.log
pid file = {home}/rsyncd.pid
use chroot = no
[data]
    path = {home}/www
    comment = server-data
"""


class Rsyncd(FileServer):
    name = "rsync"
    executable = "/usr/bin/rsync"
    title = "rsync daemon"
    client = "rsync"
    notes = "its clients reach it by RSYNC_CONNECT_PROG"

    def configure(self):
        self.write_files()
        (self.home / "rsyncd.conf").write_text(_RSYNCD.format(home=self.home))

    def command(self):
        words = [self.executable, "--daemon", "--no-detach", f"--config={self.home}/rsyncd.conf"]
        return [*words, "--address=127.0.0.1", f"--port={self.port}"]

    def talk(self):
        return [(b"", b"\n"), (b"@RSYNCD: 31.0 sha256 md5\n#list\n", None)]

    def words(self, port, tls):
        """Fetches both files and prints what came."""
        into = self.home / f"fetched{port}"
        program = ["socat", "-", f"TCP:127.0.0.1:{port}"] if not tls else by_openssl(port, tls)
        fetch = f"rsync -a rsync://one.example/data/ {into}/ && cat {into}/file.txt {into}/big.txt"
        return ["env", f"RSYNC_CONNECT_PROG={shlex.join(program)}", "sh", "-c", fetch]


def by_openssl(port, tls):
    """A command that carries bytes through TLS: its input and output."""
    who, ca = tls
    return [*client.words(port, client.TLS13, who), "-CAfile", str(ca), "-verify_return_error", "-no_ign_eof", "-nocommands"]


class InetdRsync(Rsyncd):
    """inetd empties the environment of what it starts."""

    name = "openbsd-inetd"
    executable = "/usr/sbin/inetd"
    title = "openbsd-inetd (rsync)"
    package = "openbsd-inetd"
    engine = "relay"
    address_in = "log of rsync"
    notes = "executes a program for each connection, with an empty environment"

    def configure(self):
        super().configure()
        (self.home / "inetd.conf").write_text(
            f"127.0.0.1:{self.port} stream tcp nowait root /usr/bin/rsync rsync --daemon --config={self.home}/rsyncd.conf\n"
        )

    def command(self):
        return [self.executable, "-i", self.home / "inetd.conf"]


_SSHD = """
ListenAddress 127.0.0.1:{port}
HostKey {home}/host.key
PidFile none
LogLevel VERBOSE
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
AuthorizedKeysFile {home}/client.pub
"""


class Sshd(PlainServer):
    """Executes itself for each connection, and its second process is in a sandbox."""

    name = "sshd"
    executable = "/usr/sbin/sshd"
    title = "OpenSSH sshd"
    package = "openssh-server"
    engine = "relay"
    client = "ssh"
    proof = b"SSH-2.0-OpenSSH"
    notes = "its clients reach it by ProxyCommand"

    @classmethod
    def version(cls):
        return super().version().partition("p")[0]

    def configure(self):
        separation = Path("/run/sshd")
        if not separation.exists():
            separation.mkdir(mode=0o755)
        new_key("rsa", self.home / "host.key")
        for name in ("host", "client"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / f"{name}.ed25519"],
                stdin=subprocess.DEVNULL, check=True,
            )
        (self.home / "host.key").unlink()
        os.rename(self.home / "host.ed25519", self.home / "host.key")
        os.rename(self.home / "client.ed25519.pub", self.home / "client.pub")
        (self.home / "client.pub").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        (self.home / "sshd.conf").write_text(_SSHD.format(port=self.port, home=self.home))

    def command(self):
        return [self.executable, "-D", "-e", "-f", self.home / "sshd.conf"]

    def talk(self):
        """Who does not speak the protocol is told so."""
        return [(b"", b"\r\n"), (b"GET / HTTP/1.0\r\n", None)]

    def words(self, port, tls):
        words = ["ssh", "-F", "none", "-T", "-q", "-i", self.home / "client.ed25519", "-o", "BatchMode=yes"]
        words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-p", port]
        if tls:
            words += ["-o", f"ProxyCommand={shlex.join(by_openssl(port, tls))}"]
        return [*words, "root@127.0.0.1", "echo server-data"]
