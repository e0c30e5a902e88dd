# SPDX-License-Identifier: Apache-2.0
"""Servers that speak HTTP/2 in cleartext and nothing else, and clients that need it agreed on by ALPN."""

import json
import os
import subprocess
from pathlib import Path

from support import procs
from support.pki import HOSTS, openssl
from support.server import PLACEHOLDER_BODY, Server

from plaintext.server import UNPACKED

SUPPORT = Path(__file__).resolve().parent.parent / "support"
PYTHON = "/usr/bin/python3"
GRPC_JS = UNPACKED / "grpc-js"
BROWSER = Path("/usr/bin/chromium")
TIME_S = 60  # of a client: a browser is slow where others work beside it


class Http2Server(Server):
    """Ready when it listens: it answers none but HTTP/2."""

    hosts = 0

    def configure(self):
        pass

    def is_ready(self):
        return procs.listening(self.port)


class Grpc(Http2Server):
    name = "grpc"
    executable = PYTHON

    def command(self):
        return [self.executable, SUPPORT / "grpc_server.py", self.port]


class Nghttpd(Http2Server):
    name = "nghttpd"
    executable = "/usr/sbin/nghttpd"

    def configure(self):
        folder = self.home / "www"
        folder.mkdir()
        (folder / "index.html").write_text(f"<!doctype html><title>page</title><p>{PLACEHOLDER_BODY}</p>\n")

    def command(self):
        return [self.executable, "--no-tls", "--address=127.0.0.1", "-d", self.home / "www", self.port]


def said(words, environment=None, seconds=TIME_S):
    """What a client program prints, its complaints behind that."""
    done = subprocess.run(
        [str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False,
        env={**os.environ, **(environment or {})},
    )
    return done.stdout + done.stderr


def own(who):
    return [who.cert, who.key] if who else []


def grpc_python(port, ca, who):
    return said([PYTHON, SUPPORT / "grpc_client.py", port, ca, HOSTS[0], *own(who)])


def grpc_js(port, ca, who, node):
    """By Debian's Node.js: `node` is its class."""
    if not (GRPC_JS / "node_modules/@grpc/grpc-js").exists():
        raise AssertionError(f"{GRPC_JS}: not installed; tests/run.sh plaintext does that")
    words = [node.executable, SUPPORT / "grpc_client.js", GRPC_JS, port, ca, HOSTS[0], *own(who)]
    return said(words, node.libraries)


def curl(port, ca, who):
    """The body, and which version of HTTP brought it."""
    shown = ["--cert", who.cert, "--key", who.key] if who else []
    words = ["curl", "-sS", "--http2", "--max-time", "20", "--resolve", f"{HOSTS[0]}:{port}:127.0.0.1", "--cacert", ca]
    return said([*words, *shown, "-w", "version %{http_version}\n", f"https://{HOSTS[0]}:{port}/"])


class Browser:
    """Headless Chromium with a home of its own, whose store trusts `ca` and has the certificate of `who`.

    Chromium shows a certificate unasked by a policy alone, and reads policies from /etc: it gets an /etc/chromium of its own,
    in a mount namespace of its own.
    """

    FLAGS = (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    )

    def __init__(self, home, port, ca, who):
        if not BROWSER.exists():
            raise AssertionError(f"{BROWSER} is not installed")
        self.home, self.url, self.port = home, f"https://{HOSTS[0]}:{port}/", port
        store = home / ".pki/nssdb"
        store.mkdir(parents=True)
        database = f"sql:{store}"
        self._run("certutil", "-N", "--empty-password", "-d", database)
        self._run("certutil", "-A", "-n", "ca", "-t", "C,,", "-i", ca, "-d", database)
        if who:
            openssl("pkcs12", "-export", "-in", who.cert, "-inkey", who.key, "-out", home / "who.p12", "-passout", "pass:p12")
            self._run("pk12util", "-i", home / "who.p12", "-W", "p12", "-K", "", "-d", database)
        policies = home / "etc/policies/managed"
        policies.mkdir(parents=True)
        choice = json.dumps({"pattern": self.url, "filter": {}})
        (policies / "certificate.json").write_text(json.dumps({"AutoSelectCertificateForUrls": [choice]}))

    @staticmethod
    def _run(*words):
        subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=30)

    def page(self):
        """The page, as the browser has understood it."""
        mount = 'mount --bind "$0" /etc/chromium && exec "$@"'
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, self.home / "etc", BROWSER, *self.FLAGS]
        rules = f"--host-resolver-rules=MAP {HOSTS[0]} 127.0.0.1"
        profile = f"--user-data-dir={self.home / 'profile'}"
        return said([*words, profile, rules, "--timeout=30000", "--dump-dom", self.url], {"HOME": str(self.home)})
