# SPDX-License-Identifier: Apache-2.0
"""What another user of the machine may try on a relay's socket: untrusted_relay.py TREE SEED, as that user.

Connects with a pair of sockets of its own and says what an attached process would, without the key; then requests of every kind of
damage. Prints how many bytes came back on what it gave away, which should be none, and "done".
"""

import array
import contextlib
import os
import random
import socket
import struct
import sys

MAGIC = 0x796C6572
LAYOUT = 4
CARRY, REST, GET, SET = 1, 2, 3, 4


def connection(tree):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(5)
    made.connect(b"\0tlsgraft/" + tree.encode() + b"/relay")
    return made


def request(kind, size=0, key=bytes(16), level=0, option=0, value=b"", magic=MAGIC, layout=LAYOUT):
    return struct.pack("=IIII16sii", magic, layout, kind, size, key, level, option) + value


def send(made, data, fds=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    made.sendmsg([data], rights)


def hung_up(made):
    """What comes until the other side has closed."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := made.recv(65536):
            data += piece
    return data


def tcp_pair(port):
    """A real connection whose local address a section of the tree governs: to `port` of another loopback address."""
    with socket.create_server(("127.0.0.9", port)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=5)
        return client, listener.accept()[0]


def carry(tree, port, key):
    client, real = tcp_pair(port)
    ours, theirs = socket.socketpair()
    # a name as a server's end bears it, as far as an untrusted process can make it
    name = b"\0tlsgraft/" + tree.encode() + b"/" + (b"\4" + struct.pack(">H", port) + bytes(20)) * 2 + os.urandom(16)
    ours.bind(name)
    ours.send(b"\0")
    made = connection(tree)
    send(made, request(CARRY, key=key), [real.fileno(), theirs.fileno()])
    real.close()
    theirs.close()
    hung_up(made)
    client.settimeout(2)
    client.send(b"\x16\x03\x01\x00\x05hello")
    came = hung_up(client)
    return len(came)


def option(tree):
    """Of a socket that is nobody's connection."""
    ours, theirs = socket.socketpair()
    made = connection(tree)
    send(made, request(SET, 4, level=6, option=1, value=struct.pack("i", 1) + bytes(508)), [ours.fileno()])
    theirs.close()
    made.settimeout(5)
    result = struct.unpack_from("=Ii", made.recv(4096))[1]
    if result == 0:
        raise SystemExit("an option was set on nothing")


def damaged(tree, number):
    """One request with something wrong in it; whatever it is, the other side hangs up."""
    whole = bytearray(request(number.choice([CARRY, REST, GET, SET, 0, 77, 2**32 - 1]), number.choice([0, 4, 2**31, 2**32 - 1])))
    for _ in range(number.randrange(4)):
        whole[number.randrange(len(whole))] = number.randrange(256)
    whole = whole[: number.randrange(1, len(whole) + 1)] + os.urandom(number.choice([0, 0, 1, 512, 3000]))
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(number.randrange(8))]
    made = connection(tree)
    with contextlib.suppress(ConnectionError):
        send(made, bytes(whole), files)
        made.shutdown(socket.SHUT_WR)
        hung_up(made)
    for fd in files:
        os.close(fd)
    made.close()


def main():
    tree, port, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    silent = [connection(tree) for _ in range(400)]
    came = carry(tree, port, bytes(16)) + carry(tree, port, os.urandom(16))
    option(tree)
    number = random.Random(seed)
    for _ in range(300):
        damaged(tree, number)
    print(came, "done", flush=True)
    sys.stdin.read()
    del silent


if __name__ == "__main__":
    main()
