# SPDX-License-Identifier: Apache-2.0
"""Redis on its TLS port alone."""

from support.server import Server


class Redis(Server):
    name = "redis"
    executable = "/usr/bin/redis-server"
    title = "Redis"
    package = "redis-server"
    run_user = "redis"
    notes = "never root, as in its unit: `tlsgraft run --user redis`"
    client = "redis-cli"

    def configure(self):
        options = ["--port", "0", "--tls-port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self.home]
        options += ["--tls-cert-file", self.home / "own0.pem", "--tls-key-file", self.home / "own0.key"]
        if self.native:
            options += ["--tls-auth-clients", "yes", "--tls-ca-cert-file", self.native.ca.cert]
        else:
            options += ["--tls-auth-clients", "no"]
        self.options = options

    def command(self):
        return [self.executable, *self.options]

    def request(self, host):
        return b"PING\r\nQUIT\r\n"

    def conversation(self, host):
        return [(b"PING\r\n", b"+PONG\r\n")]

    def client_words(self, who, ca):
        words = ["redis-cli", "-h", "127.0.0.1", "-p", self.port, "--tls", "--cacert", ca, "--sni", "one.example"]
        return [*words, *(["--cert", who.cert, "--key", who.key] if who else []), "PING"]

    def client_served(self, done):
        return done.stdout == b"PONG\n"

    def is_answer(self, data, host):
        return data == b"+PONG\r\n+OK\r\n"
