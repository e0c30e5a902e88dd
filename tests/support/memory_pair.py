# SPDX-License-Identifier: Apache-2.0
"""memory_pair.py CERT KEY pair|held|unseen|piped [PORT]: an SSL server that gets bytes and no descriptor, and says who was served.

pair    a client and a server in this process, over memory
held    the same, while a connection to PORT is open in this process
unseen  a connection to PORT whose bytes are read past the C library's calls, by their number
piped   a connection to PORT that another process reads, which hands the bytes on through pipes
"""

import ctypes
import os
import platform
import select
import socket
import ssl
import sys

SYS_RECVFROM = {"x86_64": 45, "aarch64": 207}


def server_context(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pair(context):
    """"served" with the leaf's CN as the client saw it, or the refusal."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context().wrap_bio(to_client, to_server, server_hostname="one.example")
    done = set()
    for _ in range(20):
        for name, side in (("client", client), ("server", server)):
            try:
                side.do_handshake()
                done.add(name)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                return f"refused {error.reason}"
    server.write(b"data")
    return f"served {client.read(4).decode()}" if len(done) == 2 else f"only {done}"


def read_past(descriptor):
    data = ctypes.create_string_buffer(16384)
    got = ctypes.CDLL(None).syscall(SYS_RECVFROM[platform.machine()], descriptor, data, 16384, 0, None, None)
    return data.raw[: max(got, 0)]


def serve(context, read, write):
    """A server's side that gets its bytes by `read()`."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    while True:
        try:
            server.do_handshake()
            server.write(b"data")
            return "served"
        except ssl.SSLWantReadError:
            write(to_client.read())
            data = read()
            if not data:
                return "gone"
            to_server.write(data)
        except ssl.SSLError as error:
            return f"refused {error.reason}"
        finally:
            write(to_client.read())


def piped(context, port):
    """The listener's process hands on what it reads; the server's has pipes and no socket."""
    down, up = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(down[1])
        print(serve(context, lambda: os.read(down[0], 65536), lambda data: os.write(up[1], data)), flush=True)
        os._exit(0)
    os.close(down[0])
    os.close(up[1])
    with socket.create_server(("127.0.0.1", port)) as listener:
        print("listening", flush=True)
        with listener.accept()[0] as connection:
            while ready := select.select([connection, up[0]], [], [])[0]:
                if connection in ready:
                    data = connection.recv(65536)
                    if not data:
                        break
                    os.write(down[1], data)
                else:
                    data = os.read(up[0], 65536)
                    if not data:
                        break
                    connection.sendall(data)
    os.close(down[1])
    os.wait()


def main():
    context = server_context(*sys.argv[1:3])
    if sys.argv[3] == "pair":
        print(pair(context))
        return
    if sys.argv[3] == "piped":
        piped(context, int(sys.argv[4]))
        return
    with socket.create_server(("127.0.0.1", int(sys.argv[4]))) as listener:
        print("listening", flush=True)
        with listener.accept()[0] as connection:
            if sys.argv[3] == "held":
                print(pair(context), flush=True)
            else:
                print(serve(context, lambda: read_past(connection.fileno()), connection.sendall), flush=True)


main()
