# SPDX-License-Identifier: Apache-2.0
"""docs/COMPATIBILITY.md, second part: servers that speak plaintext, and TLS is spoken for them."""

from support.page import Part

CLIENTS = ("none", "wrong CA", "expired", "plaintext")

TABLES = (
    (
        "Plaintext servers: who is served",
        "",
        ("version", "engine", "TLS 1.2", "TLS 1.3", "client program", *CLIENTS),
    ),
    (
        "Plaintext servers: what holds while they run",
        "",
        ("renewal", "running connection", "client address", "status"),
    ),
    ("Plaintext servers: notes", "", ("notes",)),
)

_INTRODUCTION = """\
# Plaintext servers

Printed by `tests/plaintext/run.py`, which starts every server below twice: plainly, and by `tlsgraft run` with a
`[listener]` that has `server_speaks = plaintext` and `mode = mutual`. Stock configurations without TLS, Debian 12's packages.

* *engine*: which one carried the connections under `engine = auto`, by `tlsgraft status --json`.
* *TLS 1.2*, *TLS 1.3*: *same bytes* is a whole conversation, request by request, that brings through TLS what it brings
  from the plainly started server, and ends as that one ends. Dates, process numbers, ports and random numbers aside.
* *client program*: the same for a real client, which presents the right certificate; *by socat* where it has no TLS
  from the first byte of its own, so that socat speaks it.
* *none*, *wrong CA*, *expired*: the client's certificate, with both versions of TLS: *refused* is not one byte of the server's
  data. *plaintext*: a client without TLS, one that speaks and one that is silent all the while: nothing but a TLS alert.
* *renewal*: after `tlsgraft reload` the next connection is served the new leaf. *Running connection*: begun before, finished
  after it, with the same bytes.
* *client address*: where the server itself shows from where a client came, which was right.
* *status*: counted as many handshakes, refused and accepted, as there were.
"""

PART = Part(_INTRODUCTION, TABLES)
