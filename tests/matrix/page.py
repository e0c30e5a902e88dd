"""docs/COMPATIBILITY.md: rows of measured cells as Markdown, and back."""

import re

FAILED = "**failed**"

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

COLUMNS = tuple(column for _, _, columns in TABLES for column in columns)

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


def per_version(found):
    """{TLS version: cell} as one cell."""
    texts = list(dict.fromkeys(found.values()))
    if len(texts) == 1:
        return texts[0]
    return "; ".join(f"{version}: {text}" for version, text in found.items())


def faults(rows):
    """What is wrong with the rows themselves."""
    wrong = []
    for title, cells in sorted(rows.items()):
        for column in COLUMNS:
            text = cells.get(column, "")
            if not text:
                wrong.append(f"{title}: no cell '{column}'")
            elif re.fullmatch(r"(no|n/a):?\s*", text) or re.search(r"\b(no|n/a)(;|$)", text):
                wrong.append(f"{title}: '{column}' is '{text}' without a reason")
            elif "|" in text or "\n" in text:
                wrong.append(f"{title}: '{column}' cannot stand in a table")
    return wrong


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def render(rows):
    return _INTRODUCTION + tables(rows)


def tables(rows):
    text = ""
    for heading, said, columns in TABLES:
        text += f"\n## {heading}\n\n"
        if said:
            text += f"{said}\n\n"
        text += _line(("server", *columns)) + "\n" + "|" + "---|" * (len(columns) + 1) + "\n"
        for title in sorted(rows, key=str.lower):
            text += _line((title, *(rows[title].get(column, "") for column in columns))) + "\n"
    return text


def parse(text):
    """The rows of a rendered page: {title: {column: cell}}."""
    rows = {}
    columns = None
    for line in text.splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        words = [word.strip() for word in line.strip("|").split("|")]
        if columns is None:
            columns = words[1:]
        elif not line.startswith("|---"):
            rows.setdefault(words[0], {}).update(zip(columns, words[1:]))
    return rows


def differences(committed, measured):
    """Of the measured rows; each as one line."""
    found = []
    for title, cells in sorted(measured.items()):
        there = committed.get(title)
        if there is None:
            found.append(f"{title}: not on the page")
            continue
        for column in COLUMNS:
            if there.get(column) != cells.get(column):
                found.append(f"{title}, {column}: measured '{cells.get(column)}', the page says '{there.get(column)}'")
    return found
