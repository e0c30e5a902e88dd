# SPDX-License-Identifier: Apache-2.0
"""Clients with a certificate that is not good enough, and its key: chains and what stands in the leaf."""

import datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import PublicFormat
from support.pki import openssl

from attack import forge
from attack.catalogue import HONEST, OPEN, add
from attack.forge import SERVER, leaf
from attack.policy import FIRM_HOST

_SUBJECT = "certificate"
_DAY = forge.DAY


def _add(name, make, host=None, **options):
    """`make(pki)`: the forged credential. Its proof is the right client's credential, shown by the same steps."""
    made = cache(make)

    def run(t):
        who = t.pick(made(t.pki), t.pki.clients["good"])
        return t.complete(t.start(host=host or t.host), who)

    add(_SUBJECT, name, run, proof=HONEST, **options)


def _of_pki(which):
    return lambda pki: pki.clients[which]


add(_SUBJECT, "none", lambda t: t.complete(t.start()), proof=OPEN)
for _which in ("wrong CA", "expired", "not yet valid", "revoked", "not allowed"):
    _add(_which, _of_pki(_which))

# Chains that do not lead to the trusted authority

_add("self-signed, right names", lambda pki: _self_signed())
_add("an authority of the same name, sent along", lambda pki: leaf(forge.impostor(pki)))
_add("an authority of the same name and key id", lambda pki: leaf(forge.impostor(pki, same_key_id=True)))
_add("signed by an impostor, the real authority sent along", lambda pki: leaf(forge.impostor(pki, send_real=True)))
_add("issued by the server's own authority", lambda pki: leaf(forge.issuer_of(pki.own_ca)))
_add("issued by an authority of another section", lambda pki: leaf(forge.issuer_of(pki.second_ca)))
_add("the server's certificate and key as a client's", lambda pki: pki.server("rsa"))
_add("issued by another client", lambda pki: leaf(_client_as_issuer(pki)))
_add("below an intermediate that is no authority", lambda pki: leaf(_below(pki, ca=False)))
_add("below an intermediate without basicConstraints", lambda pki: leaf(_below(pki, ca=None)))
_add("below an intermediate that may not sign", lambda pki: leaf(_below(pki, keys=("digital_signature",))))
_add("below a version-1 intermediate", lambda pki: leaf(_version_one(pki)))
_add("below an expired intermediate", lambda pki: leaf(_below(pki, start=-2 * _DAY, end=-_DAY)))
_add("below an intermediate for servers only", lambda pki: leaf(_below(pki, purposes=(SERVER,))))
_add("path length exceeded", lambda pki: leaf(forge.authority(_below(pki, path_length=0), "Second")))
_add("chain deeper than verify_depth", lambda pki: leaf(_deep(pki, 5)))
_add("name constraints broken", lambda pki: _constrained(pki))
_add("chain of a hundred", lambda pki: leaf(_deep(pki, 100)))

# What the leaf itself says

_add("for servers only", lambda pki: leaf(forge.root(pki), purposes=(SERVER,)))
_add("for code signing only", lambda pki: leaf(forge.root(pki), purposes=(x509.ExtendedKeyUsageOID.CODE_SIGNING,)))
_add("may not sign", lambda pki: leaf(forge.root(pki), keys=("key_encipherment",)))
_add("an authority that may only sign certificates", lambda pki: leaf(forge.root(pki), ca=True, keys=("key_cert_sign",)))
_add("unknown critical extension", lambda pki: leaf(forge.root(pki), extra=[(_unknown_extension(), True)]))
_add("ends before it begins", lambda pki: _dates_swapped(pki))
_add("signature with a flipped bit", lambda pki: _patched(pki, lambda der: der[:-1] + bytes([der[-1] ^ 1])))
_add("dates moved after signing", lambda pki: _redated(pki))
_add("two signature algorithms", lambda pki: _patched(pki, _other_outer_algorithm))
_add("public key exchanged after signing", lambda pki: _other_key_inside(pki))
_add("signed with MD5", lambda pki: leaf(_rsa_intermediate(pki), digest=hashes.MD5()), host=FIRM_HOST)
_add("signed with SHA-1", lambda pki: leaf(_rsa_intermediate(pki), digest=hashes.SHA1()), host=FIRM_HOST)
_add("RSA key of 1024 bits", lambda pki: leaf(forge.root(pki), key=forge.weak_rsa()), host=FIRM_HOST)


def _self_signed():
    key = forge.new_key()
    return leaf(forge.Issuer(forge.name("client"), key), key=key)


def _client_as_issuer(pki):
    good = leaf(forge.root(pki), "a client")
    return forge.Issuer(forge.name("a client"), good.private, good.chain)


def _below(pki, **options):
    return forge.authority(forge.root(pki), "Intermediate", **options)


def _deep(pki, count):
    made = forge.root(pki)
    for number in range(count):
        made = forge.authority(made, f"Intermediate {number}")
    return made


@cache
def _rsa_intermediate(pki):
    """MD5 signatures want an RSA key."""
    above = forge.root(pki)
    key = forge.weak_rsa(2048)
    der = forge.certificate(
        above, forge.name("RSA Intermediate"), key.public_key(), ca=True, keys=("key_cert_sign",), purposes=()
    )
    return forge.Issuer(forge.name("RSA Intermediate"), key, [der])


def _version_one(pki):
    """`openssl x509 -req` without extensions makes version 1."""
    home = pki.home / "version-one"
    home.mkdir()
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", home / "key")
    openssl("req", "-new", "-key", home / "key", "-subj", "/CN=Version One", "-out", home / "csr")
    openssl(
        "x509", "-req", "-in", home / "csr", "-CA", pki.ca.cert, "-CAkey", pki.ca.key, "-set_serial", "77", "-days", "9",
        "-out", home / "cert",
    )
    cert = x509.load_pem_x509_certificate((home / "cert").read_bytes())
    if cert.version is not x509.Version.v1:
        raise AssertionError("openssl made no version-1 certificate")
    key = forge.load_pem_private_key((home / "key").read_bytes(), None)
    return forge.Issuer(cert.subject, key, [cert.public_bytes(forge.Encoding.DER)])


def _constrained(pki):
    only = x509.NameConstraints([x509.DNSName("elsewhere.example")], None)
    return leaf(_below(pki, extra=[(only, True)]), names=[x509.DNSName("client.example")])


def _unknown_extension():
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.7"), b"\x05\x00")


def _patched(pki, change):
    good = leaf(forge.root(pki))
    return forge.Forged([change(good.chain[0])], good.private)


def _dates_swapped(pki):
    """The library makes none that ends first, so the dates are exchanged in the DER: the signature goes with it."""
    old = leaf(forge.root(pki), start=-30 * _DAY, end=-20 * _DAY)
    return forge.Forged([_with_dates(old.chain[0], 20, -20)], old.private)


def _with_dates(der, start_days, end_days):
    cert = x509.load_der_x509_certificate(der)
    now = datetime.datetime.utcnow()
    for before, days in ((cert.not_valid_before, start_days), (cert.not_valid_after, end_days)):
        old = before.strftime("%y%m%d%H%M%SZ").encode()
        der = der.replace(old, (now + datetime.timedelta(days=days)).strftime("%y%m%d%H%M%SZ").encode(), 1)
    return der


def _redated(pki):
    old = leaf(forge.root(pki), start=-30 * _DAY, end=-20 * _DAY)
    return forge.Forged([_with_dates(old.chain[0], -1, 20)], old.private)


def _other_outer_algorithm(der):
    """ecdsa-with-SHA256 becomes ecdsa-with-SHA512, outside only."""
    sha256 = bytes.fromhex("06082a8648ce3d040302")
    at = der.rindex(sha256)
    return der[:at] + sha256[:-1] + b"\x04" + der[at + len(sha256) :]


def _other_key_inside(pki):
    good, mine = leaf(forge.root(pki)), ec.generate_private_key(ec.SECP256R1())

    def point(key):
        return key.public_key().public_bytes(forge.Encoding.X962, PublicFormat.UncompressedPoint)

    return forge.Forged([good.chain[0].replace(point(good.private), point(mine))], mine)
