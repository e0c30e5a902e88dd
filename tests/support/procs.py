# SPDX-License-Identifier: Apache-2.0
"""Processes and waiting: by process id alone, never by name."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Whatever a test starts and loses (daemons, keepers) becomes a child of this process, so that it can be found."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_until(condition, timeout=10.0, what="condition"):
    """Polls until `condition()` is true and returns its value; AssertionError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _stat(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def alive(pid):
    """True while `pid` runs; a zombie does not."""
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def state(pid):
    """One letter, as ps(1) has them; "" where there is no such process."""
    stat = _stat(pid)
    return stat[0] if stat else ""


def processor_ticks(pid):
    """Time of the processor that it has taken, in 1/SC_CLK_TCK of a second."""
    stat = _stat(pid)
    return int(stat[11]) + int(stat[12])


def start_time(pid):
    stat = _stat(pid)
    return stat[19] if stat else None


def parent(pid):
    stat = _stat(pid)
    return int(stat[1]) if stat else 0


def all_processes():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and alive(entry)]


def descendants(pid):
    """All living processes below `pid`, without itself."""
    parents = {}
    for found in all_processes():
        parents.setdefault(parent(found), []).append(found)
    found, queue = [], [pid]
    while queue:
        for child in parents.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


class Adopted:
    """A process that a subreaper inherited, with what a server asks of a subprocess.Popen."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def poll(self):
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
            except ChildProcessError:  # not yet a child of ours
                pass
        return self.returncode

    def wait(self, timeout):
        try:
            return wait_until(lambda: self.poll() is not None, timeout, f"end of process {self.pid}")
        except AssertionError:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout) from None

    def send_signal(self, number):
        kill(self.pid, number)

    def kill(self):
        kill(self.pid)


def zombies_below(pid):
    """Children of `pid` that have ended and were not waited for."""
    return [
        int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent(entry) == pid and state(entry) == "Z"
    ]


def reap_orphans(but=()):
    """Collects zombies that this process adopted; those of `but` belong to a Popen."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in but:
            stat = _stat(entry)
            if stat and stat[0] == "Z" and int(stat[1]) == os.getpid():
                try:
                    os.waitpid(int(entry), os.WNOHANG)
                except ChildProcessError:
                    pass


def kill(pid, number=signal.SIGKILL):
    if pid <= 1:
        raise ValueError(f"no process of a test: {pid}")
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def maps(pid):
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


def listening(port):
    """True where any process listens on `port`; looks at it without a connection."""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[1].endswith(f":{port:04X}"):
                return True
    return False


def listens(pid, port):
    """True where `pid` holds a socket that listens on 127.0.0.1:`port`."""
    sockets = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and words[1] == f"0100007F:{port:04X}":
            sockets.add(f"socket:[{words[9]}]")
    folder = Path(f"/proc/{pid}/fd")
    try:
        return any(os.readlink(entry) in sockets for entry in folder.iterdir())
    except OSError:
        return False


def memory_kib(pid):
    """Anonymous resident memory, KiB: what leaks."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def share_kib(pid):
    """Its proportional share of resident memory, KiB: what a process of several costs."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def innermost_id(pid):
    """The process id that `pid` has in its own namespace."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return 0


def user_ids(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("Uid:"):
            return [int(word) for word in line.split()[1:]]
    return []
