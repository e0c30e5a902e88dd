# SPDX-License-Identifier: Apache-2.0
"""Certificates that nobody should accept, and a few that look like them and are good. Made in memory, once for each run."""

import datetime
import warnings
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support.pki import URI_GOOD

DAY = datetime.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


class Forged:
    """As support.pki.Credential: `chain` in DER, leaf first, and `private`."""

    def __init__(self, chain, private):
        self.chain = chain
        self.private = private


class Issuer:
    """Who signs: a certificate's name and a key that need not belong together."""

    def __init__(self, subject, key, certs=(), key_id=None):
        self.subject = subject
        self.key = key
        self.certs = list(certs)  # what a client sends above its leaf
        self.key_id = key_id


def name(*pairs):
    """From (attribute, value) pairs; a bare text is a CN."""
    pairs = [(NameOID.COMMON_NAME, pair) if isinstance(pair, str) else pair for pair in pairs]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


def issuer_of(authority):
    """A support.pki.Authority as an Issuer; its own root is not sent."""
    cert = x509.load_pem_x509_certificate(authority.cert.read_bytes())
    key = load_pem_private_key(authority.key.read_bytes(), None)
    above = [x509.load_pem_x509_certificate(authority.cert.read_bytes()).public_bytes(Encoding.DER)]
    return Issuer(cert.subject, key, above if authority.parent else [])


@cache
def root(pki):
    return issuer_of(pki.ca)


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def usage(*names):
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )
    return x509.KeyUsage(**{one: one in names for one in every})


def certificate(
    issuer, subject, public_key, names=(), ca=None, path_length=None, keys=("digital_signature",), purposes=(CLIENT,),
    start=-DAY, end=DAY, digest=None, extra=(),
):
    """One signed certificate, DER. `ca` None: no basicConstraints; `keys` None: no keyUsage."""
    now = datetime.datetime.utcnow()
    made = (
        x509.CertificateBuilder().issuer_name(issuer.subject).subject_name(subject).public_key(public_key)
        .serial_number(x509.random_serial_number()).not_valid_before(now + start).not_valid_after(now + end)
    )
    if ca is not None:
        made = made.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if keys is not None:
        made = made.add_extension(usage(*keys), critical=True)
    if purposes:
        made = made.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if issuer.key_id is not None:
        made = made.add_extension(
            x509.AuthorityKeyIdentifier(issuer.key_id, None, None), critical=False
        )
    for extension, critical in extra:
        made = made.add_extension(extension, critical=critical)
    with warnings.catch_warnings(action="ignore"):  # of old digests
        return made.sign(issuer.key, digest or hashes.SHA256()).public_bytes(Encoding.DER)


def leaf(issuer, subject="client", uri=URI_GOOD, names=(), key=None, **options):
    """A client's certificate, good but for what `options` change; `uri` None: no such name."""
    private = key or new_key()
    every = [*([x509.UniformResourceIdentifier(uri)] if uri else []), *names]
    subject = name(subject) if isinstance(subject, str) else subject
    options.setdefault("ca", False)
    made = certificate(issuer, subject, private.public_key(), every, **options)
    return Forged([made, *issuer.certs], private)


def authority(above, subject, **options):
    """An intermediate below `above`, as an Issuer that sends its certificate along."""
    key = new_key()
    options = {"ca": True, "keys": ("key_cert_sign", "crl_sign"), "purposes": (), **options}
    der = certificate(above, name(subject), key.public_key(), **options)
    return Issuer(name(subject), key, [der, *above.certs])


def impostor(pki, same_key_id=False, send_real=False):
    """An authority of the trusted one's name with a key of its own."""
    real = x509.load_pem_x509_certificate(pki.ca.cert.read_bytes())
    key = new_key()
    fake = Issuer(real.subject, key)
    identifier = real.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    extra = [(identifier, False)] if same_key_id else ()
    der = certificate(
        fake, real.subject, key.public_key(), ca=True, keys=("key_cert_sign",), purposes=(), extra=extra
    )
    fake.certs = [real.public_bytes(Encoding.DER) if send_real else der]
    fake.key_id = identifier.digest if same_key_id else None
    return fake


def weak_rsa(bits=1024):
    return rsa.generate_private_key(65537, bits)
