# SPDX-License-Identifier: Apache-2.0
"""docs/COMPATIBILITY.md, first part: servers that speak TLS by libssl."""

from support.page import Part

CLIENTS = ("none", "wrong CA", "expired", "not yet valid", "revoked", "not allowed", "right")

# (heading, what it shows, columns)
TABLES = (
    (
        "Who is served",
        "Each client tried under `mutual`, with TLS 1.2 and 1.3: what it got of the server's data.",
        ("version", "TLS", "injection", *CLIENTS, "SNI", "resumption"),
    ),
    (
        "What holds while it runs",
        "All in the same running server.",
        ("tightening", "CA removal", "renewal", "running connection", "own reload", "other client"),
    ),
    ("Notes", "", ("notes",)),
)

_INTRODUCTION = """\
# Compatibility

Printed by `tests/matrix/run.py`, which starts every server below by `tlsgraft run`, with a configuration of its own TLS that
asks no client for a certificate, and measures each cell; a test fails where a cell and this page differ. Debian 12's packages.
"No" and "n/a" carry their reason, and a failing test stands behind each that is wrong, also where it is too modest.

* *injection*: the chain of the INI file was served, exactly, in every handshake; the server's own certificate in none.
* *none* to *right*: the client's certificate. *Served* is the server's whole answer, *refused* not one byte of it.
* *SNI*: an unknown name and none get `[server]`, a wildcard `[sni]` section its own certificate, and a virtual host of the
  server's own lets no client past. *TLS only*: the server has no virtual hosts to try.
* *resumption*: a session of the right client resumes. *Not by itself*: neither does it without tlsgraft's policy.
* *tightening*: a session agreed under `off` or under `server` brings nothing under `mutual`, after a reload.
* *CA removal*: the same for sessions, and for new connections, of a client whose CA was taken out.
* *renewal*: after `tlsgraft reload` each process that does handshakes serves the new leaf; its key is root's, mode 0600, and
  the process is not root.
* *running connection*: open before that renewal, it goes on after it.
* *own reload*: after what the server does to renew itself, the new leaf is served and who has no certificate, or a wrong one,
  is refused, during and after it.
* *other client*: a client program beside `openssl s_client` is served with the right certificate, and refused without one.
"""

PART = Part(_INTRODUCTION, TABLES)
