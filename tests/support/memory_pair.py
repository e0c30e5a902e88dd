"""memory_pair.py CERT KEY pair|held|unseen [PORT]: an SSL server that gets bytes and no descriptor, and says who was served.

pair    a client and a server in this process, over memory
held    the same, while a connection to PORT is open in this process
unseen  a connection to PORT whose bytes are read past the C library's calls, by their number
"""

import ctypes
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
    import platform

    data = ctypes.create_string_buffer(16384)
    got = ctypes.CDLL(None).syscall(SYS_RECVFROM[platform.machine()], descriptor, data, 16384, 0, None, None)
    return data.raw[: max(got, 0)]


def unseen(context, connection):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    while True:
        try:
            server.do_handshake()
            server.write(b"data")
            return "served"
        except ssl.SSLWantReadError:
            connection.sendall(to_client.read())
            data = read_past(connection.fileno())
            if not data:
                return "gone"
            to_server.write(data)
        except ssl.SSLError as error:
            return f"refused {error.reason}"
        finally:
            connection.sendall(to_client.read())


def main():
    context = server_context(*sys.argv[1:3])
    if sys.argv[3] == "pair":
        print(pair(context))
        return
    with socket.create_server(("127.0.0.1", int(sys.argv[4]))) as listener:
        print("listening", flush=True)
        with listener.accept()[0] as connection:
            print(pair(context) if sys.argv[3] == "held" else unseen(context, connection), flush=True)


main()
