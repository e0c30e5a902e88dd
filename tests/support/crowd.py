# SPDX-License-Identifier: Apache-2.0
"""crowd.py NAME TYPE COUNT: connects COUNT times to an abstract UNIX socket on the line "open", and says nothing there; on
the line "look" prints how many of these connections are still there."""

import socket
import sys


def is_there(made):
    try:
        return bool(made.recv(1, socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False


def main(name, kind, count):
    opened = []
    for line in sys.stdin:
        if line == "open\n":
            for _ in range(int(count)):
                made = socket.socket(socket.AF_UNIX, getattr(socket, kind))
                made.connect(b"\0" + name.encode())
                opened.append(made)
            print("opened", flush=True)
        else:
            print(sum(is_there(made) for made in opened), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
