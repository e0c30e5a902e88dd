# SPDX-License-Identifier: Apache-2.0
"""A real server in a folder of its own, on loopback, started plainly or under tlsgraft."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from support import procs
from support.facts import Facts
from support.ports import free_port

PLACEHOLDER_BODY = "server-data"


class Server(Facts):
    """One server. Subclasses say what to write (`configure`), what to run (`command`), and what its data look like.

    `own` are the certificates of the server's own, one for each virtual host: what a governed client never sees.
    `native`: the server's own mutual TLS, to prove that the probes can tell a good server from a bad one.
    """

    name = "?"
    executable = "?"

    def __init__(self, home, own, native=None):
        if not Path(self.executable).exists():
            raise AssertionError(f"{self.executable} is not installed")
        self.home = Path(home)
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.own = []
        for number, credential in enumerate(own):
            key, cert = self.home / f"own{number}.key", self.home / f"own{number}.pem"
            shutil.copyfile(credential.key, key)
            shutil.copyfile(credential.cert, cert)
            key.chmod(0o600)
            (self.home / f"own{number}.both").write_text(cert.read_text() + key.read_text())
            (self.home / f"own{number}.both").chmod(0o600)
            self.own.append(credential)
        self.native = native
        self.port = free_port()
        self.output = self.home / "output.log"
        self.process = None
        self.pid = None
        self.ask = None  # by the test: the answer to a request, from a client who is let in
        self.pid_file = None  # of a server that puts itself into the background
        self.configure()

    # for subclasses

    def configure(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def request(self, host):
        raise NotImplementedError

    def is_answer(self, data, host):
        """True where `data` is this server's whole answer for `host`."""
        raise NotImplementedError

    def give_to(self, user):
        """All that was written for it belongs to `user`."""
        entry = pwd.getpwnam(user)
        for path in [self.home, *self.home.rglob("*")]:
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def readable(self, file):
        """For a server that reads `file` after it dropped to its user."""
        shutil.chown(self.home / file, self.user or self.run_user)

    is_whole = None  # of a server that does not close: a method, true of the bytes of a whole answer

    # starting and stopping

    def start(self, wrap=(), environment=None, wait=True):
        """`wrap`: words before the command (say ["tlsgraft", "run", "-c", ini, "--"])."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("TLSGRAFT_", "LD_PRELOAD"))}
        env.update(environment or {})
        if self.refuses_root and not wrap:
            self.give_to(self.run_user)
            wrap = ["runuser", "-u", self.run_user, "--"]
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                [*map(str, wrap), *map(str, self.command())], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=env, cwd=self.home,
            )
        self.pid = self.process.pid
        if wait:
            if self.pid_file:
                self._adopt()
            self.wait_ready()
        return self

    def _adopt(self):
        """It puts itself into the background: what was started ends, the subreaper inherits what goes on."""
        try:
            status = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.name} stays in the foreground\n{self.logs()}") from None
        if status != 0:
            raise AssertionError(f"{self.name} ended with status {status}\n{self.logs()}")
        pid = procs.wait_until(lambda: self.pid_file.exists() and self.pid_file.read_text().strip(), 10, self.pid_file)
        self.pid = int(pid)
        self.process = procs.Adopted(self.pid)

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with status {self.process.returncode}\n{self.logs()}")
            return self.is_ready()

        try:
            procs.wait_until(ready, 15, f"{self.name} accepts on port {self.port}")
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{self.logs()}") from None

    def is_ready(self):
        return procs.accepts(self.port)

    def workers(self):
        """The processes below the main one that run the server's own program."""
        return [pid for pid in procs.descendants(self.pid) if procs.executable(pid) == os.path.realpath(self.executable)]

    def stop(self):
        """Ends the server as its manager would; what is left after that is killed. True where nothing had to be."""
        if self.process is None:
            return True
        family = {pid: procs.start_time(pid) for pid in [self.pid, *self.workers()]}
        clean = True
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                clean = False
                self.process.kill()
                self.process.wait()
        for pid, started in family.items():
            try:
                procs.wait_until(lambda pid=pid, started=started: not self._same(pid, started), 3, "end of a worker")
            except AssertionError:
                clean = False
                procs.kill(pid)
        self.process = None
        return clean

    @staticmethod
    def _same(pid, started):
        return procs.alive(pid) and procs.start_time(pid) == started

    def log_text(self):
        return "".join(path.read_text(errors="replace") for path in sorted(self.home.glob("*.log")))

    def logs(self):
        """The last lines of everything it logged, for a failing test."""
        text = ""
        for path in sorted(self.home.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-15:]
            text += "".join(f"    {path.name}: {line}\n" for line in lines)
        return text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class HttpServer(Server):
    """A server that answers GET / with a line of its own for each virtual host."""

    hosts = 2

    def request(self, host):
        return f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    def conversation(self, host):
        return [(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), f"{PLACEHOLDER_BODY} {host}\n".encode())]

    client = "curl"

    def client_words(self, who, ca):
        words = ["curl", "-sS", "--max-time", 10, "--cacert", ca, "--resolve", f"one.example:{self.port}:127.0.0.1"]
        if who:
            words += ["--cert", who.cert, "--key", who.key]
        return [*words, f"https://one.example:{self.port}/"]

    def client_served(self, done):
        return done.returncode == 0 and f"{PLACEHOLDER_BODY} one.example".encode() in done.stdout

    def is_answer(self, data, host):
        return data.startswith(b"HTTP/1.") and b" 200 " in data[:20] and f"{PLACEHOLDER_BODY} {host}".encode() in data
