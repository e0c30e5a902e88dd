# SPDX-License-Identifier: Apache-2.0
"""memory_pair.py CERT KEY pair|held|unseen|piped|CALL [PORT]: an SSL server that gets bytes and no descriptor, and says who was served.

pair    a client and a server in this process, over memory
held    the same, while a connection to PORT is open in this process
unseen  a connection to PORT whose bytes are read past the C library's calls, by their number
piped   a connection to PORT that another process reads, which hands the bytes on through pipes
CALL    a connection to PORT that is read by this call of the C library, a key of CALLS
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


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Header(ctypes.Structure):
    """struct msghdr"""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(Vector)),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class Message(ctypes.Structure):
    """struct mmsghdr"""

    _fields_ = [("header", Header), ("got", ctypes.c_uint32)]


# What each reads: (descriptor, room, its size, a message with that room) to the count of bytes. A file has a position, a
# socket none: -1.
CALLS = {
    "read": lambda libc, fd, room, size, message: libc.read(fd, room, size),
    "__read": lambda libc, fd, room, size, message: libc["__read"](fd, room, size),
    "__read_chk": lambda libc, fd, room, size, message: libc["__read_chk"](fd, room, size, size),
    "readv": lambda libc, fd, room, size, message: libc.readv(fd, message.header.vectors, 1),
    "preadv2": lambda libc, fd, room, size, message: libc.preadv2(fd, message.header.vectors, 1, ctypes.c_int64(-1), 0),
    "preadv64v2": lambda libc, fd, room, size, message: libc.preadv64v2(fd, message.header.vectors, 1, ctypes.c_int64(-1), 0),
    "recv": lambda libc, fd, room, size, message: libc.recv(fd, room, size, 0),
    "__recv_chk": lambda libc, fd, room, size, message: libc["__recv_chk"](fd, room, size, size, 0),
    "recvfrom": lambda libc, fd, room, size, message: libc.recvfrom(fd, room, size, 0, None, None),
    "__recvfrom_chk": lambda libc, fd, room, size, message: libc["__recvfrom_chk"](fd, room, size, size, 0, None, None),
    "recvmsg": lambda libc, fd, room, size, message: libc.recvmsg(fd, ctypes.byref(message), 0),
    "recvmmsg": lambda libc, fd, room, size, message: (
        message.got if libc.recvmmsg(fd, ctypes.byref(message), 1, 0, None) == 1 else -1
    ),
}


def read_by(call, descriptor):
    room = ctypes.create_string_buffer(16384)
    vector = Vector(ctypes.addressof(room), len(room))
    message = Message(Header(vectors=ctypes.pointer(vector), count=1))
    got = CALLS[call](ctypes.CDLL(None), descriptor, room, len(room), message)
    return room.raw[: max(got, 0)]


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
            elif sys.argv[3] == "unseen":
                print(serve(context, lambda: read_past(connection.fileno()), connection.sendall), flush=True)
            else:
                print(serve(context, lambda: read_by(sys.argv[3], connection.fileno()), connection.sendall), flush=True)


if __name__ == "__main__":
    main()
