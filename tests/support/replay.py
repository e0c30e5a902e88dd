# SPDX-License-Identifier: Apache-2.0
"""A TLS client that holds its own bytes: the same ClientHello on several connections, cut as a test likes."""

import hashlib
import socket
import ssl


def records(hello, size, between=b""):
    """The handshake message of `hello` (whole records) in records of `size` bytes each."""
    message = b""
    while hello:
        length = int.from_bytes(hello[3:5], "big")
        message += hello[5 : 5 + length]
        hello = hello[5 + length :]
    cut = b""
    for at in range(0, len(message), size):
        piece = message[at : at + size]
        cut += (between if at else b"") + b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece
    return cut


WARNING_ALERT = b"\x15\x03\x01\x00\x02\x01\x5a"  # user_canceled


class Client:
    def __init__(self, version, who=None, sni="one.example"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = (
            ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
        )
        if who:
            context.load_cert_chain(who.cert, who.key)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=sni)
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        self.hello = self.outgoing.read()

    def finish(self, connection, request, enough=lambda data: False):
        """Goes on after the ClientHello, which was sent already, until the server closes or `enough`. The data that came."""
        data, asked = b"", False
        try:
            while True:
                try:
                    if not asked:
                        self.tls.do_handshake()
                        self.tls.write(request)
                        asked = True
                    piece = self.tls.read(65536)
                    if not piece:
                        return data
                    data += piece
                    if enough(data):
                        return data
                except ssl.SSLWantReadError:
                    connection.sendall(self.outgoing.read())
                    came = connection.recv(65536)
                    if not came:
                        return data
                    self.incoming.write(came)
        except (ssl.SSLError, ConnectionError):
            return data

    def leaf_sha256(self):
        """Of the server's certificate; None where it showed none."""
        try:
            der = self.tls.getpeercert(binary_form=True)
        except ValueError:  # refused before that
            der = None
        return hashlib.sha256(der).hexdigest() if der else None


def connect(port, timeout=10):
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
