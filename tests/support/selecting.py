# SPDX-License-Identifier: Apache-2.0
"""An event loop around select, poll or epoll: selecting.py PORT KIND. Echoes three bytes for each time a connection is ready;
to "?" it answers how many times it was woken. KIND: of Python's selectors, or Edge."""

import select
import selectors
import socket
import sys


class Edge(selectors.EpollSelector):
    """Each arrival once: what is ready is read to its end."""

    def register(self, fileobj, events, data=None):
        key = super().register(fileobj, events, data)
        if data:
            self._selector.modify(key.fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)
        return key


def read(connection, size):
    try:
        return connection.recv(size)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


def main(port, kind):
    edge = kind == "Edge"
    loop = Edge() if edge else getattr(selectors, f"{kind}Selector")()
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=512)
    listener.setblocking(False)
    loop.register(listener, selectors.EVENT_READ)
    woken = 0
    while True:
        woken += 1
        for key, events in loop.select():
            if key.fileobj is listener:
                connection = listener.accept()[0]
                connection.setblocking(False)
                loop.register(connection, selectors.EVENT_READ, "connection")
                continue
            if not events & selectors.EVENT_READ:
                continue
            while (data := read(key.fileobj, 3)) is not None:
                if not data:
                    loop.unregister(key.fileobj)
                    key.fileobj.close()
                    break
                key.fileobj.send(b"%d\n" % woken if data == b"?" else data)
                if not edge:
                    break


if __name__ == "__main__":
    main(*sys.argv[1:])
