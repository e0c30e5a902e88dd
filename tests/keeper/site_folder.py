# SPDX-License-Identifier: Apache-2.0
"""A folder with certificates and an INI file, and servers started under the product in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = "/usr/bin/python3"

SERVER = """
import signal, socket, ssl, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(64)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
print(listener.getsockname()[1], flush=True)
while True:
    connection = listener.accept()[0]
    try:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.sendall(b"hello")
    except OSError:
        connection.close()
"""


def wait_until(condition, seconds=10.0, what="condition"):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def stat(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def alive(pid):
    fields = stat(pid)
    return fields is not None and fields[0] not in "ZX"


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat(entry)
            if fields and int(fields[1]) == pid and fields[0] not in "ZX":
                found.append(int(entry))
    return found


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def memory_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


class Site:
    """Everything below one temporary folder; close() ends what was started in it."""

    def __init__(self, build):
        self.build = Path(build).resolve()
        self.cli = self.build / "bin" / "tlsgraft"
        self.attach = self.build / "tests" / "tg_attach"
        self.home = Path(tempfile.mkdtemp(prefix="tlsgraft-keeper-"))
        self.home.chmod(0o755)
        self.certs = self.home / "certs"
        self.started = []
        self.pids = []
        self.make_certificates(self.certs)
        self.ini = self.home / "site.ini"
        self.write()

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stdin):
                if stream:
                    stream.close()
        for pid in self.pids:
            kill(pid)
        shutil.rmtree(self.home)

    def make_certificates(self, folder):
        subprocess.run(
            ["sh", ROOT / "examples/certs/gen.sh", folder], check=True, capture_output=True,
            env={**os.environ, "KEY_TYPE": "ec:P-256"},
        )

    def write(self, top="", server="", name="site.ini"):
        path = self.home / name
        fresh = self.home / f".{name}.new"
        fresh.write_text(
            f"[tlsgraft]\n{top}\n[server]\nmode = mutual\ncert = certs/server.pem\nkey = certs/server.key\nca = certs/ca.pem\n{server}\n"
        )
        fresh.chmod(0o644)
        os.replace(fresh, path)
        return path

    def renewed(self):
        """A folder with a renewed pair, not yet in place."""
        fresh = self.home / f"fresh-{time.monotonic_ns()}"
        shutil.copytree(self.certs, fresh)
        subprocess.run(
            ["sh", ROOT / "examples/certs/renew.sh", fresh], check=True, capture_output=True,
            env={**os.environ, "KEY_TYPE": "ec:P-256"},
        )
        return fresh

    def put(self, folder, *names):
        for name in names or ("server.key", "server.pem"):
            os.replace(folder / name, self.certs / name)

    def renew(self):
        self.put(self.renewed())

    def command(self, *words, **options):
        return subprocess.run(
            [str(self.cli), *map(str, words)], capture_output=True, text=True, timeout=options.pop("timeout", 30),
            check=False, stdin=subprocess.DEVNULL, env=clean_environment(), **options,
        )

    def run(self, *command, options=(), **more):
        """`tlsgraft run` to its end."""
        return self.command("run", "-c", self.ini, *options, "--", *command, **more)

    def start(self, *command, options=(), wrap=(), cli=None, wait=True):
        """A server under `tlsgraft run`; `port` is what it printed first."""
        errors = open(self.home / f"stderr-{len(self.started)}", "w+")
        words = [*wrap, cli or self.cli, "run", "-c", self.ini, *options, "--", *(command or (PYTHON, "-c", SERVER))]
        process = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            env=clean_environment(), cwd=self.home,
        )
        errors.close()
        process.errors = Path(errors.name)
        self.started.append(process)
        if wait:
            line = process.stdout.readline().strip()
            if not line:
                process.wait(10)
                raise AssertionError(f"status {process.returncode}: {process.errors.read_text()}")
            process.said = line
        return process

    def status(self, pid):
        done = self.command("status", "--json", pid)
        trees = json.loads(done.stdout) if done.stdout.strip() else []
        return trees[0] if trees else None

    def keeper(self, pid):
        """(guardian, worker)"""
        guardian = self.status(pid)["keeper"]["pid"]
        return guardian, wait_until(lambda: children(guardian), 2, "a worker")[0]

    def tree(self, pid):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "tlsgraft-report:" in line:
                return line.split("tlsgraft-report:")[1].split()[0]
        raise AssertionError(f"process {pid} maps no report memory")

    def said(self, process, words, seconds=5.0):
        """Waits until the process's stderr holds the words."""
        return wait_until(lambda: words in process.errors.read_text(), seconds, f"{words!r} on stderr")


def clean_environment():
    return {key: value for key, value in os.environ.items() if not key.startswith("TLSGRAFT_") and key != "LD_PRELOAD"}


def shell(text):
    return ("/bin/sh", "-c", text)


if __name__ == "__main__":
    sys.exit("site_folder.py is used by run.py")
