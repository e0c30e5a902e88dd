# SPDX-License-Identifier: Apache-2.0
"""socat and ncat, which echo lines until `quit`."""

from support.server import Server

ECHO = "sed -u /^quit/q"


class Tool(Server):
    """Ends each connection by itself after `quit`."""

    run_user = "nobody"
    hangup_ends = True
    client_input = b"hello\nquit\n"

    def configure(self):
        pass

    def request(self, host):
        return b"hello\nquit\n"

    def is_answer(self, data, host):
        return data == b"hello\nquit\n"

    def conversation(self, host):
        return [(b"hello\n", b"hello\n")]

    def client_served(self, done):
        return done.stdout == b"hello\nquit\n"


class Socat(Tool):
    name = "socat"
    executable = "/usr/bin/socat"
    processes = 0
    reload_signal = "USR1"
    notes = "a SIGHUP handler of its own ends it: `reload_signal = USR1`"
    client = "socat"

    def command(self):
        files = f"cert={self.home}/own0.pem,key={self.home}/own0.key,verify=0"
        return [self.executable, f"OPENSSL-LISTEN:{self.port},bind=127.0.0.1,reuseaddr,fork,{files}", f"SYSTEM:{ECHO}"]

    def client_words(self, who, ca):
        shown = f",cert={who.cert},key={who.key}" if who else ""
        address = f"OPENSSL:127.0.0.1:{self.port},cafile={ca},commonname=one.example,snihost=one.example{shown}"
        return ["socat", "-t", 5, "-", address]


class Ncat(Tool):
    name = "ncat"
    executable = "/usr/bin/ncat"
    client = "ncat"

    def command(self):
        files = ["--ssl-cert", self.home / "own0.pem", "--ssl-key", self.home / "own0.key"]
        return [self.executable, "-l", "-k", "--ssl", *files, "--sh-exec", ECHO, "127.0.0.1", self.port]

    def client_words(self, who, ca):
        words = ["ncat", "--ssl", "--ssl-verify", "--ssl-trustfile", ca, "--ssl-servername", "one.example", "--no-shutdown"]
        words += ["--ssl-cert", who.cert, "--ssl-key", who.key] if who else []
        return [*words, "127.0.0.1", self.port]

    def serving(self):
        """Its children carry on what it has accepted."""
        return [self.pid]
