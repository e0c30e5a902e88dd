# SPDX-License-Identifier: Apache-2.0
"""forbids.py CALL COMMAND...: becomes COMMAND under a seccomp filter that kills whoever makes that system call, as systemd's
SystemCallFilter= does. CALL: its name."""

import ctypes
import os
import platform
import struct
import sys

CALLS = {"capset": {"x86_64": 126, "aarch64": 91}}
NO_NEW_PRIVS, SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def main(call, *command):
    number = CALLS[call][platform.machine()]
    steps = b"".join(
        struct.pack("=HBBI", *step)
        for step in ((LOAD, 0, 0, 0), (JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, KILL_PROCESS), (RETURN, 0, 0, ALLOW))
    )
    buffer = ctypes.create_string_buffer(steps)
    program = Program(len(steps) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(SET_SECCOMP, MODE_FILTER, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
