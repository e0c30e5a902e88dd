# SPDX-License-Identifier: Apache-2.0
"""A TLS server whose first connection's descriptor becomes another's without libssl hearing of it: reused.py PORT CERT KEY

The second connection is a plain one: it takes the number of the first. Every later one is TLS, greeted and closed.
"""

import os
import socket
import ssl
import sys

port, cert, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
listener = socket.create_server(("127.0.0.1", int(port)))
first = context.wrap_socket(listener.accept()[0], server_side=True)
first.sendall(b"first")
plain = listener.accept()[0]
os.dup2(plain.fileno(), first.fileno())
plain.sendall(b"plain")
while True:
    accepted = listener.accept()[0]
    try:
        with context.wrap_socket(accepted, server_side=True) as connection:
            connection.sendall(b"later")
    except OSError:
        pass
