#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""smoke.py EMBED - the example serves, refuses who has no certificate, renews on SIGHUP and keeps what is good."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

INI = "[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = ca.pem\n"


class Site:
    """CA, server and client in a folder, made by the openssl command."""

    def __init__(self, folder):
        self.folder = Path(folder)
        os.umask(0o077)
        self.openssl("req", "-x509", *self.new("ca"), "-out", "ca.pem", "-days", "30", "-addext",
                     "keyUsage=critical,keyCertSign,cRLSign")
        self.issue("server")
        self.issue("client")
        (self.folder / "site.ini").write_text(INI)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    @staticmethod
    def new(name):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-subj", "/CN=" + name

    def issue(self, name):
        self.openssl("req", *self.new(name), "-addext", "subjectAltName=DNS:localhost", "-out", name + ".csr")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "29",
                     "-copy_extensions", "copy", "-out", name + ".pem")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def talk(site, port, certificate=True):
    """What the server sent and its serial number; None where it refused."""
    context = ssl.create_default_context(cafile=site.folder / "ca.pem")
    if certificate:
        context.load_cert_chain(site.folder / "client.pem", site.folder / "client.key")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="localhost") as tls:
                text = tls.recv(100).decode()
                return (text, tls.getpeercert()["serialNumber"]) if text else None
        except (ssl.SSLError, ConnectionError):
            return None


def wait_for(server, word):
    """Reads the server's lines up to one that holds the word; the test's own time limit ends a wait for ever."""
    for line in server.stderr:
        print("    " + line.rstrip())
        if word in line:
            return
    raise SystemExit(f"the server ended before it said '{word}'")


def check(what, good):
    print(f"{'ok' if good else 'FAILED'}: {what}")
    if not good:
        raise SystemExit(1)


def try_all(site, server, port):
    wait_for(server, "ready")
    text, first = talk(site, port)
    check("a client with a certificate is served", text == "hello client with a certificate\n")
    check("one without is refused", talk(site, port, certificate=False) is None)

    site.issue("server")
    server.send_signal(signal.SIGHUP)
    wait_for(server, "accepted")
    renewed = talk(site, port)[1]
    check("a renewal is served after SIGHUP", renewed != first)

    (site.folder / "ca.pem").rename(site.folder / "aside.pem")
    server.send_signal(signal.SIGHUP)
    wait_for(server, "what served goes on serving")
    (site.folder / "aside.pem").rename(site.folder / "ca.pem")
    check("a refused renewal changes nothing", talk(site, port)[1] == renewed)

    key = (site.folder / "server.key").read_bytes()
    site.issue("server")
    late = (site.folder / "server.key").read_bytes()
    (site.folder / "server.key").write_bytes(key)
    server.send_signal(signal.SIGHUP)
    check("a certificate without its key is not served", talk(site, port)[1] == renewed)
    (site.folder / "server.key").write_bytes(late)
    wait_for(server, "accepted")
    check("it is once the key is there", talk(site, port)[1] != renewed)


def main():
    with tempfile.TemporaryDirectory(prefix="tlsgraft-embed-") as folder:
        site, port = Site(folder), free_port()
        with subprocess.Popen([sys.argv[1], site.folder / "site.ini", str(port)], stderr=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL) as server:
            try:
                try_all(site, server, port)
                server.terminate()
                check("it ends on SIGTERM", server.wait(10) == 0)
            finally:
                if server.poll() is None:
                    server.kill()
        check("a bad file is no start", subprocess.run([sys.argv[1], "/dev/null", str(port)], stderr=subprocess.DEVNULL,
                                                       check=False).returncode == 78)


if __name__ == "__main__":
    main()
