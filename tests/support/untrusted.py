# SPDX-License-Identifier: Apache-2.0
"""What another user of the machine may try on keepers' sockets: untrusted.py WHAT TREE [COUNT]. Says "ready", then waits.

silent      COUNT connections that say nothing
flood       connects and hangs up again and again, in COUNT processes
squat       takes the name, and answers every request with the lie that all is well
garbage     takes the name, and answers with what is no answer
full        takes the name, and leaves no room in its queue
drip        takes the name, and answers with a byte now and then
shrink      has memories that only have the names, the report of COUNT bytes, and change their size all the time
abuse       oversized and cut requests, wrong magic, descriptors that nobody asked for
"""

import array
import contextlib
import json
import mmap
import os
import socket
import struct
import sys
import time

MAGIC = 0x68637467
LIE = {
    "config": "/squatted", "keeper": {"pid": 1, "alive": True}, "generation": 7, "warn_days": 14, "sections": [],
    "reload": {"verdict": "accepted", "reason": "squatted", "at": "-", "took_ms": 0}, "processes": [], "ungoverned": [],
    "unmatched_sections": [], "verdict": "accepted", "reason": "squatted", "took_ms": 0,
}


def name(tree):
    return b"\0tlsgraft/" + tree.encode()


def connection(tree):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.connect(name(tree))
    made.settimeout(5)
    return made


def ready():
    print("ready", flush=True)


def silent(tree, count):
    kept = [connection(tree) for _ in range(count)]
    ready()
    sys.stdin.read()
    del kept


def flood(tree, count):
    for _ in range(count - 1):
        if os.fork() == 0:
            break
    else:
        ready()
    while os.getppid() != 1:
        with contextlib.suppress(OSError):
            connection(tree).close()


def listen(tree, room=64):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    while True:
        try:
            listener.bind(name(tree))
            break
        except OSError:  # its keeper still lives
            time.sleep(0.01)
    listener.listen(room)
    return listener


def squat(tree, _):
    listener = listen(tree)
    ready()
    while True:
        asked = listener.accept()[0]
        with contextlib.suppress(OSError), asked:
            request = asked.recv(64)
            if len(request) == 12 and struct.unpack("III", request)[2] == 1:
                memory = array.array("i", [os.memfd_create("a"), os.memfd_create("b")])
                asked.sendmsg([struct.pack("II", MAGIC, 1)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, memory)])
            else:
                asked.send(json.dumps(LIE).encode())


def garbage(tree, _):
    listener = listen(tree)
    ready()
    while True:
        asked = listener.accept()[0]
        with contextlib.suppress(OSError), asked:
            asked.recv(64)
            asked.send(b'[{"config": "/cut')


def full(tree, _):
    listener = listen(tree, 0)
    kept = []
    with contextlib.suppress(BlockingIOError):
        while True:
            kept.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK))
            kept[-1].connect(name(tree))
    ready()
    sys.stdin.read()
    del listener


def drip(tree, _):
    listener = listen(tree)
    ready()
    while True:
        asked = listener.accept()[0]
        with contextlib.suppress(OSError), asked:
            while True:
                asked.send(b" ")
                time.sleep(0.5)


def shrink(tree, report_size):
    """An orphan, to all appearances, whose memory goes away while somebody reads it."""
    sizes, kept = {"report": report_size, "policy": 4096 * 3}, []
    made = {os.memfd_create(f"tlsgraft-{kind}:{tree}", os.MFD_ALLOW_SEALING): size for kind, size in sizes.items()}
    for fd, size in made.items():
        os.ftruncate(fd, size)
        kept.append(mmap.mmap(fd, size, prot=mmap.PROT_READ | (mmap.PROT_WRITE if size == report_size else 0)))
    ready()
    while os.getppid() != 1:
        for fd, size in made.items():
            os.ftruncate(fd, size)
            time.sleep(0.0005)
            os.ftruncate(fd, 0)


def abuse(tree, count):
    good = struct.pack("III", MAGIC, 1, 1)
    descriptors = array.array("i", [0] * 200)
    for number in range(count):
        for data, fds in (
            (b"", 0), (good[:5], 0), (good * 5000, 0), (b"\xff" * 12, 0), (good, 200),
            (struct.pack("III", MAGIC, 1, 3), 200), (struct.pack("III", MAGIC, 99, 1), 1), (struct.pack("III", MAGIC, 1, 77), 1),
            (good, 253 if number % 2 else 3),
        ):
            with contextlib.suppress(OSError), connection(tree) as asked:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, (descriptors * 2)[:fds])] if fds else []
                asked.sendmsg([data], rights)
    ready()
    sys.stdin.read()


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
