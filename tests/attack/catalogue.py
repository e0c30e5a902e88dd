# SPDX-License-Identifier: Apache-2.0
"""The catalogue: every attempt registers itself here, and what became of it is noted for the table."""

import json
import os
from dataclasses import dataclass
from typing import Callable

from support.client import VERSIONS

# How the same steps are proved to bring data where nothing should stop them.
OPEN = "open"  # the same steps against the same server, whose section asks for no certificate
OFF = "off"  # the same, where no section governs: for what every mode of ours refuses
HONEST = "honest"  # the same steps against the same policy, with the one forged thing (Try.pick) in order


@dataclass(frozen=True)
class Attempt:
    subject: str
    name: str
    run: Callable
    versions: tuple
    proof: str  # OPEN, OFF or HONEST; "" where no server would serve such a client, whatever its policy
    fits: Callable  # of a target: this attempt makes sense there

    @property
    def title(self):
        return f"{self.subject}: {self.name}"


ATTEMPTS = []


def add(subject, name, run, versions=VERSIONS, proof=OPEN, fits=lambda target: True):
    if any(known.subject == subject and known.name == name for known in ATTEMPTS):
        raise ValueError(f"{subject}: {name} is there already")
    ATTEMPTS.append(Attempt(subject, name, run, tuple(versions), proof, fits))


def attempt(subject, name, **options):
    """A decorator: the function is given a Try and returns how the server ended it."""
    def register(function):
        add(subject, name, function, **options)
        return function

    return register


@dataclass
class Row:
    """One attempt on one server."""

    title: str
    version: str
    server: str
    how: str
    success: bool = False
    crash: bool = False
    proof: bool = False  # this is the control run: data came, as it should
    wants_proof: bool = False


class Notes:
    """Rows of all processes of a run, one line each in a file."""

    path = None

    @classmethod
    def write(cls, row):
        with open(cls.path, "a", encoding="utf-8") as notes:
            notes.write(json.dumps(row.__dict__) + "\n")

    @classmethod
    def read(cls):
        if not os.path.exists(cls.path):
            return []
        with open(cls.path, encoding="utf-8") as notes:
            return [Row(**json.loads(line)) for line in notes]
