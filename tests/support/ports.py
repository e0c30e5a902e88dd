# SPDX-License-Identifier: Apache-2.0
"""Port numbers for servers: nobody else takes one between the choice and the server's own bind."""

import random
import socket
from pathlib import Path

_FIRST = 10000
# Kept until this process ends: an abstract name of a UNIX socket for each number that was handed out.
_reserved = []


def _beyond():
    """The first number that the kernel gives to outgoing connections: one of those could take the port at any moment."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def _reserve(port):
    """False where another test of any process on this machine has it."""
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0tlsgraft-test-port-{port}")
    except OSError:
        reservation.close()
        return False
    _reserved.append(reservation)
    return True


def _unused(port):
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        try:
            stream.bind(("0.0.0.0", port))
            datagram.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def free_port():
    for _ in range(1000):
        port = random.randrange(_FIRST, _beyond())
        if _unused(port) and _reserve(port):
            return port
    raise AssertionError("no free port")


def free_ports(count):
    """As many different ones."""
    return [free_port() for _ in range(count)]
