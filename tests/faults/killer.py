# SPDX-License-Identifier: Apache-2.0
"""Kills processes of the keeper at one of their system calls, by number: tests/support/killer.c."""

import subprocess

from support import procs
from support.build import compiled
from support.procs import wait_until

from faults.product import with_keeper_started_by


class Killer:
    """SIGKILL for `pid` at the beginning or end of a system call: the event number `call` from now."""

    def __init__(self, pid, call):
        self.process = subprocess.Popen(
            [compiled("killer.c"), str(pid), str(call)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"process {pid} cannot be traced")

    def stop(self):
        """Lets go of the process, if it still lives."""
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def doomed(graft, folder, call):
    """The product with a keeper each of whose processes dies at its event number `call`, until freed()."""
    return with_keeper_started_by(graft, folder / f"doomed{call}", f"{compiled('killer.c')} {call} --")


def freed():
    """Ends all killers: what they did not kill goes on."""
    program = str(compiled("killer.c"))
    for pid in procs.all_processes():
        if procs.executable(pid) == program:
            procs.kill(pid, 15)
            wait_until(lambda pid=pid: not procs.alive(pid), 5, "end of a killer")
