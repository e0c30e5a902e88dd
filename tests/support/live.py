# SPDX-License-Identifier: Apache-2.0
"""Connections that stay open: TLS from Python's own ssl module, and without TLS."""

import select
import socket
import ssl
import time


class Bare:
    """One connection to `port` without TLS, from the address `source`."""

    def __init__(self, port, source="127.0.0.1"):
        self.over = False  # the other side has closed, with or without ceremony
        self.broken = False  # it did so without: by a reset, or in TLS without a close_notify
        self.socket = self.open(port, source)

    @staticmethod
    def open(port, source):
        made = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
        made.settimeout(10)
        return made

    def ask(self, request, is_whole=lambda data: False, seconds=10):
        """Sends `request` and reads until `is_whole(data)`; what came until then, or until the end of the connection."""
        data = b""
        end = time.monotonic() + seconds
        try:
            self.socket.sendall(request)
            while not is_whole(data) and time.monotonic() < end:
                part = self.socket.recv(65536)
                if not part:
                    self.over = True
                    break
                data += part
        except TimeoutError:
            pass
        except OSError:
            self.over = self.broken = True
        return data

    def pending(self):
        return 0

    def ended(self):
        """True where the other side has closed. What it sent before is thrown away."""
        while not self.over and (self.pending() or select.select([self.socket], [], [], 0)[0]):
            try:
                self.over = not self.socket.recv(65536)
            except ssl.SSLWantReadError:
                break
            except OSError:
                self.over = self.broken = True
        return self.over

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Live(Bare):
    """One connection to `port` by TLS. `who`: a Credential or None."""

    def __init__(
        self, port, who=None, sni="one.example", version=ssl.TLSVersion.TLSv1_3, session=None, context=None, source="127.0.0.1"
    ):
        self.context = context or self.make_context(who, version)
        super().__init__(port, source)
        self.socket = self.context.wrap_socket(
            self.socket, server_hostname=sni, session=session, suppress_ragged_eofs=False
        )

    @staticmethod
    def make_context(who=None, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # what is served is not the question here
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which Python sets: an end without close_notify would look well
        context.minimum_version = context.maximum_version = version
        if who:
            context.load_cert_chain(who.cert, who.key)
        return context

    def pending(self):
        return self.socket.pending()
