"""A real server in a folder of its own, on loopback, started plainly or under tlsgraft."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from support import procs

PLACEHOLDER_BODY = "server-data"


class Server:
    """One server. Subclasses say what to write (`configure`), what to run (`command`), and what its data look like.

    `own` are the certificates of the server's own, one for each virtual host: what a governed client never sees.
    `native`: the server's own mutual TLS, to prove that the probes can tell a good server from a bad one.
    """

    name = "?"
    executable = "?"
    hosts = 1  # virtual hosts, chosen by SNI
    resumes = {"1.2": True, "1.3": True}  # what this server does under a policy of ours
    has_descriptor = True  # gives libssl the connection's socket, by which its address is known
    user = None  # user of the process that does handshakes, where the server drops its own

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
        self.port = procs.free_port()
        self.output = self.home / "output.log"
        self.process = None
        self.pid = None
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

    # starting and stopping

    def start(self, wrap=(), environment=None, wait=True):
        """`wrap`: words before the command (say ["tlsgraft", "run", "-c", ini, "--"])."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("TLSGRAFT_", "LD_PRELOAD"))}
        env.update(environment or {})
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                [*map(str, wrap), *map(str, self.command())], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=env, cwd=self.home,
            )
        self.pid = self.process.pid
        if wait:
            self.wait_ready()
        return self

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

    def is_answer(self, data, host):
        return data.startswith(b"HTTP/1.") and b" 200 " in data[:20] and f"{PLACEHOLDER_BODY} {host}".encode() in data
