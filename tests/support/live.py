"""A TLS connection that stays open, from Python's own ssl module."""

import select
import socket
import ssl
import time


class Live:
    """One connection to `port`. `who`: a Credential or None."""

    def __init__(self, port, who=None, sni="one.example", version=ssl.TLSVersion.TLSv1_3, session=None, context=None):
        self.context = context or self.make_context(who, version)
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        plain.settimeout(10)
        self.over = False  # the other side has closed, with or without ceremony
        self.socket = self.context.wrap_socket(plain, server_hostname=sni, session=session)

    @staticmethod
    def make_context(who=None, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # what is served is not the question here
        context.minimum_version = context.maximum_version = version
        if who:
            context.load_cert_chain(who.cert, who.key)
        return context

    def ask(self, request, is_whole, seconds=10):
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
            self.over = True  # reset, or without a close_notify
        return data

    def ended(self):
        """True where the other side has closed. What it sent before is thrown away."""
        while not self.over and (self.socket.pending() or select.select([self.socket], [], [], 0)[0]):
            try:
                self.over = not self.socket.recv(65536)
            except ssl.SSLWantReadError:
                break
            except OSError:
                self.over = True
        return self.over

    def close(self):
        self.socket.close()
