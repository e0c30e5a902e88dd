# SPDX-License-Identifier: Apache-2.0
"""Answers each connection with the hexadecimal digits of all that came before the line "show", and closes it. Argument: the
port on 127.0.0.1."""

import socketserver
import sys


class Show(socketserver.StreamRequestHandler):
    def handle(self):
        data = b""
        while not data.endswith(b"show\n"):
            part = self.connection.recv(65536)
            if not part:
                return
            data += part
        self.wfile.write(data.removesuffix(b"show\n").hex().encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


with Server(("127.0.0.1", int(sys.argv[1])), Show) as server:
    server.serve_forever()
