# SPDX-License-Identifier: Apache-2.0
"""A libssl that calls its own functions directly, as OpenSSL builds it by itself (-Bsymbolic); Debian's calls them through us."""

import struct
from pathlib import Path

_PT_DYNAMIC = 2
_DT_FLAGS = 30
_DF_SYMBOLIC = 2


def _library(name):
    for folder in Path("/usr/lib").glob("*-linux-gnu"):
        if (folder / name).exists():
            return folder / name
    raise AssertionError(f"no {name}")


def libssl():
    """The file of this machine."""
    return _library("libssl.so.3")


def libc():
    return _library("libc.so.6")


def symbolic_libssl(folder):
    """Makes folder/libssl.so.3, a copy that ld.so binds to itself first; for LD_LIBRARY_PATH. 64 bit, either byte order."""
    data = bytearray(libssl().read_bytes())
    order = "<" if data[5] == 1 else ">"
    offset, = struct.unpack_from(order + "Q", data, 32)
    size, count = struct.unpack_from(order + "HH", data, 54)
    for number in range(count):
        kind, _, at, _, _, length = struct.unpack_from(order + "IIQQQQ", data, offset + number * size)
        if kind != _PT_DYNAMIC:
            continue
        for entry in range(at, at + length, 16):
            tag, value = struct.unpack_from(order + "QQ", data, entry)
            if tag == _DT_FLAGS:
                struct.pack_into(order + "QQ", data, entry, tag, value | _DF_SYMBOLIC)
                target = Path(folder) / "libssl.so.3"
                target.write_bytes(data)
                return target
    raise AssertionError(f"{libssl()}: no DT_FLAGS to change")
