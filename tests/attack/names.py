# SPDX-License-Identifier: Apache-2.0
"""Clients whom the trusted authority signed, and whose names come near to what `allow` admits."""

from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID

from attack import forge
from attack.catalogue import HONEST, add
from attack.forge import leaf, name
from attack.policy import NAMES_HOST

_SUBJECT = "allow"
_GOOD = {"subject": "operator"}


def _dns(*values):
    return [x509.DNSName(value) for value in values]


def _uri(*values):
    return [x509.UniformResourceIdentifier(value) for value in values]


@cache
def _credential(pki, number):
    options = dict(_GOOD if number is None else _FORGED[number][1])
    options.setdefault("uri", None)
    return leaf(forge.root(pki), **options)


# By names that [sni names] admits
_FORGED = [
    ("two CNs, the first admitted", {"subject": name("operator", "somebody")}),
    ("two CNs, the second admitted", {"subject": name("somebody", "operator")}),
    ("two equal CNs", {"subject": name("operator", "operator")}),
    ("NUL after an admitted CN", {"subject": "operator\0.evil.example"}),
    ("CN in Cyrillic", {"subject": "\u043eperator"}),
    ("CN in another case", {"subject": "Operator"}),
    ("blank after an admitted CN", {"subject": "operator "}),
    ("wildcard as CN", {"subject": "*"}),
    ("admitted name as organisation", {"subject": name((NameOID.ORGANIZATION_NAME, "operator"), "somebody")}),
    ("no subject at all", {"subject": name()}),
    ("admitted CN as a DNS name", {"subject": "x", "names": _dns("operator")}),
    ("admitted DNS name as CN", {"subject": "ops.example"}),
    ("NUL after an admitted DNS name", {"subject": "x", "names": _dns("ops.example\0.evil.example")}),
    ("wildcard in the client's DNS name", {"subject": "x", "names": _dns("*.example")}),
    ("two labels for the rule's wildcard", {"subject": "x", "names": _dns("a.b.fleet.example")}),
    ("no label for the rule's wildcard", {"subject": "x", "names": _dns("fleet.example", ".fleet.example")}),
    ("names one character away", {"subject": "x", "names": _dns("ops.example.", "xops.example")}),
    ("admitted DNS name as a URI", {"subject": "x", "names": _uri("ops.example")}),
    ("mail in another case", {"subject": "x", "names": [x509.RFC822Name("OPS@corp.example")]}),
    ("IP address as a DNS name", {"subject": "x", "names": _dns("10.1.2.3")}),
    ("v4-mapped IP address", {"subject": "x", "names": [x509.IPAddress(ip_address("::ffff:10.1.2.3"))]}),
    ("neighbouring IP address", {"subject": "x", "names": [x509.IPAddress(ip_address("10.2.0.1"))]}),
]

# By URI:spiffe://example/ns/web/*
_URIS = [
    ("URI with an empty rest", "spiffe://example/ns/web/"),
    ("URI without the last slash", "spiffe://example/ns/web"),
    ("URI in another case", "SPIFFE://example/ns/web/front"),
    ("URI of a longer host", "spiffe://example.evil/ns/web/front"),
    ("URI that only contains the rule", "spiffe://evil/?spiffe://example/ns/web/front"),
    ("URI with NUL", "spiffe://example/ns\0/ns/web/front"),
    ("the rule itself in another place", "spiffe://example/*/web/front"),
]


def _run(number):
    return lambda t: t.complete(t.start(host=NAMES_HOST), _credential(t.pki, None if t.honest else number))


def _run_uri(uri):
    made = cache(lambda pki: leaf(forge.root(pki), uri=uri))
    return lambda t: t.complete(t.start(), t.pick(made(t.pki), t.pki.clients["good"]))


for _number, (_name, _) in enumerate(_FORGED):
    add(_SUBJECT, _name, _run(_number), proof=HONEST)
for _name, _value in _URIS:
    add(_SUBJECT, _name, _run_uri(_value), proof=HONEST)
