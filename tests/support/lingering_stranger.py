#!/usr/bin/python3
"""A stranger who passes sockets whose close takes long: lingering_stranger.py NAME TYPE. Says "sent", waits for its input.

NAME: of an abstract socket of type TYPE. Each message holds the last number of a connection that has something to send,
which nobody reads, and SO_LINGER.
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


def main():
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(TIMES):
            made = socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[2]))
            made.settimeout(5)
            made.connect("\0" + sys.argv[1])
            for data in (bytes(100), b"x"):
                sender = lingering(listener, kept)
                try:
                    made.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sender.fileno()]))])
                except ConnectionError:  # hung up on: it is ours to close
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
                sender.close()
            kept.append(made)
    print("sent", flush=True)
    sys.stdin.read()


main()
