# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL as process 1 of a process id namespace, as in a container, with connections that stay open."""

import shutil
import subprocess
from pathlib import Path

from support import procs
from support.procs import wait_until
from support.server import Server

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]

_CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{home}/own0.pem'
ssl_key_file = '{home}/own0.key'
fsync = off
shared_buffers = 1MB
"""


class ContainedPostgresql(Server):
    name = "postgresql"
    executable = str(_PROGRAMS / "postgres")

    def configure(self):
        data = self.home / "data"
        data.mkdir()
        for path in (self.home, data, self.home / "own0.key"):
            shutil.chown(path, "postgres", "postgres")
        subprocess.run(
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", _PROGRAMS / "initdb", "-N", "-D", data,
             "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C"],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
        )
        with open(data / "postgresql.conf", "a") as config:
            config.write(_CONFIG.format(port=self.port, home=self.home))
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n")

    def command(self):
        return [self.executable, "-D", self.home / "data"]

    def contained(self, *before):
        """Words before the command: it becomes process 1 of a namespace. `before`: what starts it there."""
        return ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc", *before]

    def start(self, wrap=(), environment=None, wait=True):
        super().start(wrap, environment, wait)
        self.pid = wait_until(self._first, 5, "the postmaster")
        return self

    def _first(self):
        for pid in procs.descendants(self.process.pid):
            if procs.executable(pid) == str(Path(self.executable).resolve()) and procs.innermost_id(pid) == 1:
                return pid
        return None

    def backends(self):
        return [pid for pid in procs.descendants(self.pid) if "tester" in procs.command_line(pid)]

    def session(self, who):
        return Session(self.port, who)

    def stop(self):
        """`unshare` passes no signal on: the postmaster gets its own."""
        if self.process is not None and self.pid != self.process.pid:
            procs.kill(self.pid, 2)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        return super().stop()


class Session:
    """psql with a connection that stays open."""

    def __init__(self, port, who):
        where = f"host=127.0.0.1 port={port} user=tester dbname=postgres"
        target = f"{where} sslmode=require sslcert={who.cert} sslkey={who.key}"
        self.process = subprocess.Popen(
            ["psql", "-X", "-A", "-t", "-q", target], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd="/",
        )

    def send(self, statement):
        self.process.stdin.write(statement + ";\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def ask(self, statement):
        self.send(statement)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        rest = self.process.stdout.read()
        self.process.stdout.close()
        return self.process.wait(10), rest.strip()

    def end(self):
        """Whatever state it is in."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
