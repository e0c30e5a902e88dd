# SPDX-License-Identifier: Apache-2.0
"""netcats, socat, xinetd: a command for each connection."""

import gzip
from plaintext.server import UNPACKED, LineServer


class Socat(LineServer):
    name = "socat"
    executable = "/usr/bin/socat"
    run_user = "nobody"
    reload_signal = "USR1"
    notes = "a SIGHUP handler of its own ends it: `reload_signal = USR1`"

    def configure(self):
        pass

    def command(self):
        address = f"TCP-LISTEN:{self.port},bind=127.0.0.1,reuseaddr,fork"
        return [self.executable, "-d", "-d", address, f"SYSTEM:{self.filter}"]


class Ncat(LineServer):
    name = "ncat"
    executable = "/usr/bin/ncat"
    title = "ncat -c"
    run_user = "nobody"

    def configure(self):
        pass

    def command(self):
        return [self.executable, "-l", "-k", "-v", "-n", "-c", self.filter, "127.0.0.1", self.port]


class Again(LineServer):
    """Serves one connection and ends: a loop of the shell starts it again for the next."""

    run_user = "nobody"
    serial = True
    taken = "connection received on"  # in its log for each connection
    once = "?"  # starts it in the background; `process` is what to wait for, `others` what else is to be ended

    def configure(self):
        once = self.once.format(nc=self.executable, port=self.port, filter=self.filter)
        (self.home / "again.sh").write_text(
            f"process= others=\ntrap 'kill $process $others; exit' TERM\nwhile :; do\n{once}\nwait $process\ndone\n"
        )

    def command(self):
        return ["/bin/sh", self.home / "again.sh"]

    def is_ready(self):
        """Its socket listens on while it serves: who connects then is not taken. It says what it does."""
        said = self.log_text().lower()
        return said.count("listening on") > said.count(self.taken) and super().is_ready()


class NcTraditional(Again):
    name = "netcat-traditional"
    executable = "/usr/bin/nc.traditional"
    title = "nc.traditional -c"
    engine = "relay"
    taken = "connect to"
    notes = "becomes the program that serves, so that each process serves one connection"
    once = "{nc} -n -v -l -s 127.0.0.1 -p {port} -c '{filter}' & process=$!"


class NcOpenbsd(Again):
    """Its input and output are two pipes to a filter. Each redirection waits for the one at the other end."""

    name = "netcat-openbsd"
    executable = "/usr/bin/nc.openbsd"
    title = "nc.openbsd -l"
    once = (
        "rm -f in out; mkfifo in out\n{filter} <in >out & others=$!\n"
        "{nc} -n -v -l -N 127.0.0.1 {port} >in <out & process=$!"
    )


_XINETD = """
defaults
{{
    log_type = FILE {home}/xinetd.log
    log_on_success = PID HOST
}}
service lines
{{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    wait = no
    user = root
    bind = 127.0.0.1
    port = {port}
    server = /bin/sed
    server_args = -u /^quit/q
}}
"""


class Xinetd(LineServer):
    name = "xinetd"
    executable = UNPACKED / "xinetd/usr/sbin/xinetd"
    engine = "relay"
    reload_signal = "USR1"
    notes = "executes a program for each connection"

    @classmethod
    def version(cls):
        changes = UNPACKED / "xinetd/usr/share/doc/xinetd/changelog.Debian.gz"
        return ".".join(gzip.open(changes, "rt").readline().partition("(1:")[2].split("-")[0].split(".")[:2])

    def configure(self):
        (self.home / "xinetd.conf").write_text(_XINETD.format(home=self.home, port=self.port))

    def command(self):
        return [self.executable, "-dontfork", "-f", self.home / "xinetd.conf", "-pidfile", self.home / "xinetd.pid"]
