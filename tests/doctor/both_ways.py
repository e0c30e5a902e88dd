# SPDX-License-Identifier: Apache-2.0
"""A server that answers TLS from the first byte, and plaintext on the same port: both_ways.py PORT CERT KEY WHAT.

postgres    an SSLRequest, and a login without one
http        a request in plaintext, too
http-400    a request in plaintext gets a 400, as nginx gives it
ftp         no TLS from the first byte; FEAT is refused, AUTH TLS is not
smtp        the same for EHLO, which does not name STARTTLS
"""

import contextlib
import socket
import ssl
import sys
import threading

PORT, CERT, KEY, WHAT = sys.argv[1:]
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
TLS.load_cert_chain(CERT, KEY)
SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


def serve_tls(connection):
    with TLS.wrap_socket(connection, server_side=True) as wrapped:
        wrapped.recv(4096)
        wrapped.sendall(b"hello")


def lines(connection, greeting, answers, upgrade):
    connection.sendall(greeting)
    while True:
        word = connection.recv(4096).split(b"\r\n")[0]
        if not word:
            return
        for start, answer in answers.items():
            if word.startswith(start):
                connection.sendall(answer)
                break
        else:
            connection.sendall(b"500 no\r\n")
        if word.startswith(upgrade):
            serve_tls(connection)
            return


def serve(connection):
    if WHAT == "ftp":
        lines(connection, b"220 files\r\n", {b"FEAT": b"530 log in first\r\n", b"AUTH TLS": b"234 go on\r\n",
                                             b"USER": b"530 not without TLS\r\n"}, b"AUTH TLS")
        return
    if WHAT == "smtp":
        lines(connection, b"220 host ESMTP\r\n", {b"EHLO": b"250-host\r\n250 SIZE\r\n", b"STARTTLS": b"220 go on\r\n",
                                                  b"MAIL": b"530 not without TLS\r\n"}, b"STARTTLS")
        return
    first = connection.recv(8, socket.MSG_PEEK)
    if first[:1] == b"\x16":
        serve_tls(connection)
    elif WHAT == "postgres" and first == SSL_REQUEST:
        connection.recv(8)
        connection.sendall(b"S")
        serve_tls(connection)
    elif WHAT == "postgres" and first[4:8] == bytes([0, 3, 0, 0]):
        connection.sendall(b"R" + bytes([0, 0, 0, 8, 0, 0, 0, 3]))
    elif WHAT == "http" and first[:4] == b"HEAD":
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    elif WHAT == "http-400" and first[:4] == b"HEAD":
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port")


def served(connection):
    with contextlib.suppress(OSError), connection:
        connection.settimeout(20)
        serve(connection)


listener = socket.create_server(("127.0.0.1", int(PORT)), backlog=64)
print("listening", flush=True)
while True:
    threading.Thread(target=served, args=(listener.accept()[0],), daemon=True).start()
