#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An untrusted process that passes sockets whose close takes long: untrusted_lingering.py NAME TYPE. After a line of its input; says
"sent" and waits for the end of its input.

NAME: of an abstract socket of type TYPE. Each message holds the last number of a connection that has something to send,
which nobody reads, and SO_LINGER; or that of a socket in which such ones wait unread. Nobody may take a message before it
says "sent": who closes a connection last has to wait.
"""

import array
import socket
import struct
import sys

TIMES = 8
SECONDS = 60


def lingering(listener, kept):
    sender = socket.create_connection(listener.getsockname())
    kept.append(listener.accept()[0])
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, SECONDS))
    sender.setblocking(False)
    try:
        while True:
            sender.send(bytes(65536))
    except BlockingIOError:
        return sender


def passed(made, data, sender, flags=0):
    made.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sender.fileno()]))], flags)


def nested(senders):
    """All that `senders` make of themselves is what waits in it."""
    outer, entrance = socket.socketpair()
    for sender in senders:
        passed(entrance, b"x", sender)
        sender.close()
    entrance.close()
    return outer


def main():
    kept = []
    sys.stdin.readline()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for turn in range(TIMES):
            made = socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[2]))
            made.settimeout(5)
            made.connect("\0" + sys.argv[1])
            if turn == 0 and made.type == socket.SOCK_STREAM:
                sender = lingering(listener, kept)
                passed(made, b"x", sender, socket.MSG_OOB)
                sender.close()
            for data in (bytes(100), b"x"):
                sender = lingering(listener, kept)
                if turn % 2 == 1:
                    sender = nested([sender, nested([lingering(listener, kept) for _ in range(3)])])
                passed(made, data, sender)
                sender.close()
            kept.append(made)
    print("sent", flush=True)
    sys.stdin.read()


main()
