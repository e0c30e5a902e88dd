# SPDX-License-Identifier: Apache-2.0
"""What a server's class declares. The compatibility matrix measures each of these facts and fails where one is wrong."""

import signal
import subprocess

from support import procs


class OwnReload:
    """One way in which a server renews itself, as its unit or its manual does it.

    `act`: a signal to the main process, or a function of the server. Done is seen by new processes that serve
    (`replaces`), by another line with the text `says` in its logs, or by a function of the server (`shows`).
    """

    def __init__(self, how, act, replaces=False, says=None, shows=None):
        if not replaces and not says and not shows:
            raise ValueError(f"{how}: nothing would show that it happened")
        self.how = how
        self.act = act
        self.replaces = replaces
        self.says = says
        self.shows = shows

    def asks_tlsgraft(self, server):
        """True where that signal is also the reload signal of tlsgraft."""
        return isinstance(self.act, int) and self.act == getattr(signal, f"SIG{server.reload_signal}")

    def begin(self, server):
        """Asks for it; a function that is true once it happened."""
        before = set(server.serving())
        lines = server.log_text().count(self.says) if self.says else 0
        if isinstance(self.act, int):
            procs.kill(server.pid, self.act)
        else:
            self.act(server)

        def happened():
            if self.shows:
                return self.shows(server)
            if self.says:
                return server.log_text().count(self.says) > lines
            now = set(server.serving())
            return bool(now) and not now & before

        return happened


class Facts:
    """Of one server; a reason is a few words that fit into a cell of the page."""

    title = None  # as the page names it; absent: `name`
    package = None  # of Debian, for the version; absent: `name`
    notes = ""  # what an operator should know: the switch that closes plaintext, limits

    versions = ("1.2", "1.3")
    version_limits = {}  # of those that it does not speak: why
    hosts = 1  # virtual hosts of its own, chosen by SNI
    resumes = {"1.2": True, "1.3": True}  # under a policy of ours
    no_resumption = ""  # where it does not: why
    asks_by_itself = False  # asks every client for a certificate, and takes none as well

    user = None  # of the processes that do handshakes, where the server drops its own
    run_user = None  # `tlsgraft run --user`: servers that are never root
    refuses_root = False  # so that it is given to that user where it is started without tlsgraft too
    processes = 1  # at least so many serve; 0: one for each connection
    reuses_port = False  # each of them has a listening socket of its own, among which the kernel chooses

    reload_signal = "HUP"  # of tlsgraft
    own_reloads = ()
    no_own_reload = "has none"
    hangup_ends = False  # where it has none: what SIGHUP does to it without tlsgraft

    probe_options = {}  # of every probe, see client.probe

    no_conversation = "one request each connection"  # where there is no conversation()

    client = "gnutls-cli"  # a client program beside openssl
    client_input = b""

    @classmethod
    def heading(cls):
        return cls.title or cls.name

    @classmethod
    def version(cls):
        """Major and minor; the rest changes with every security update."""
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${source:Upstream-Version}", cls.package or cls.name], capture_output=True,
            text=True, check=True,
        )
        return ".".join(done.stdout.split("+")[0].split(".")[:2])

    def conversation(self, host):
        """[(what to send, how the answer to it ends)]; the last may be repeated on the same connection. None: one
        request is all that a connection can carry."""

    def serving(self):
        """The processes that do handshakes."""
        return self.workers() or [self.pid]

    def client_words(self, who, ca):
        """A command that asks once by TLS 1.3 if it can, checks our chain with the file `ca`, and shows `who` or none."""
        words = ["gnutls-cli", "--x509cafile", ca, "--sni-hostname", "one.example", "--verify-hostname", "one.example"]
        if who:
            words += ["--x509certfile", who.cert, "--x509keyfile", who.key]
        return [*words, "-p", self.port, "127.0.0.1"]

    def client_served(self, done):
        """True where that command got the server's data."""
        raise NotImplementedError
