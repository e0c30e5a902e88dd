# SPDX-License-Identifier: Apache-2.0
"""Which exported functions of a C library come to a system call, by its machine code: x86-64, with objdump and readelf."""

import bisect
import re
import subprocess


def _printed(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


class _Functions:
    """The address ranges of all functions, also of those without a name: what unwinding needs to know."""

    def __init__(self, library):
        frames = _printed("readelf", "-wNf", library)
        self.ranges = sorted((int(a, 16), int(b, 16)) for a, b in re.findall(r"FDE.*pc=([0-9a-f]+)\.\.([0-9a-f]+)", frames))
        self.starts = [first for first, _ in self.ranges]

    def at(self, address):
        place = bisect.bisect_right(self.starts, address) - 1
        return self.starts[place] if place >= 0 and address < self.ranges[place][1] else None


def _exports(library):
    names = {}
    for line in _printed("readelf", "-W", "--dyn-syms", library).splitlines():
        words = line.split()
        if len(words) >= 8 and words[3] in ("FUNC", "IFUNC") and words[6] != "UND":
            names.setdefault(int(words[1], 16), set()).add(words[7])
    return names


def _read_code(library, functions, numbers):
    """The functions that make one of the calls, and for each function those that call it or take its address."""
    making, callers, number = set(), {}, None
    for line in _printed("objdump", "-d", "--no-show-raw-insn", library).splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line)
        if not found:
            number = None
            continue
        function, operation, operands = functions.at(int(found[1], 16)), found[2], found[3]
        loaded = re.match(r"\$0x([0-9a-f]+),%[er]ax$", operands)
        if operation == "mov" and loaded:
            number = int(loaded[1], 16)
        elif operation == "syscall":
            if number in numbers:
                making.add(function)
            number = None
        elif operands.endswith(("%eax", "%rax")):
            number = None
        if operation.startswith(("call", "j")):
            target = re.match(r"([0-9a-f]+)(?: <|$)", operands)
        else:
            target = re.search(r"# ([0-9a-f]+)", operands) if operation == "lea" else None
        called = functions.at(int(target[1], 16)) if target else None
        if called is not None and called != function and (operation != "lea" or called == int(target[1], 16)):
            callers.setdefault(called, set()).add(function)
    return making, callers


def reaching(library, numbers):
    """Names, with their versions, of what is exported and comes to a call of one of `numbers`. Calls through tables of
    function pointers are not seen."""
    making, callers = _read_code(library, _Functions(library), numbers)
    seen, left = set(making), list(making)
    while left:
        for caller in callers.get(left.pop(), ()):
            if caller not in seen:
                seen.add(caller)
                left.append(caller)
    exports = _exports(library)
    return {name for function in seen for name in exports.get(function, ())}
