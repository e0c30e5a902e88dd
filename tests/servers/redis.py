"""Redis on its TLS port alone."""

from support.server import Server


class Redis(Server):
    name = "redis"
    executable = "/usr/bin/redis-server"

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

    def is_answer(self, data, host):
        return data == b"+PONG\r\n+OK\r\n"
