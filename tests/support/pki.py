# SPDX-License-Identifier: Apache-2.0
"""A throw-away PKI through the openssl command: made once for each test run, in a folder that the run removes."""

import datetime
import hashlib
import os
import subprocess
from pathlib import Path

URI_GOOD = "spiffe://example/ns/web/front"
URI_OTHER = "spiffe://example/ns/db/main"
ALLOW = "URI:spiffe://example/ns/web/*"
HOSTS = ("one.example", "two.example")

_KEY_OPTIONS = {
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ed25519": ["-algorithm", "ED25519"],
    "rsa-pss": ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
}

_CA_CONFIG = """
[ca]
default_ca = this
[this]
database = {home}/index.txt
new_certs_dir = {home}
certificate = {home}/ca.pem
private_key = {home}/ca.key
rand_serial = yes
crlnumber = {home}/crlnumber
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
copy_extensions = none
policy = any
email_in_dn = no
[any]
commonName = supplied
[req]
prompt = no
distinguished_name = subject
[subject]
CN = {name}
[v3_ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""

_LEAF_EXTENSIONS = """
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = {role}Auth
subjectAltName = {names}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(*arguments, stdin=None):
    """Runs openssl; its standard output. Failure shows what it said."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(map(str, arguments))}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def stamp(seconds_from_now):
    """A time as `openssl ca` takes it."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_from_now)
    return when.strftime("%Y%m%d%H%M%SZ")


def pem_ders(path):
    """The DER of every certificate in a PEM file, in order."""
    import ssl

    text = Path(path).read_text()
    end = "-----END CERTIFICATE-----"
    blocks = [block[block.index("-----BEGIN") :] + end for block in text.split(end) if "-----BEGIN CERT" in block]
    return [ssl.PEM_cert_to_DER_cert(block) for block in blocks]


class Credential:
    """A key file and a certificate file (leaf first, then its chain without the root)."""

    def __init__(self, key, cert):
        self.key = Path(key)
        self.cert = Path(cert)
        self.chain = pem_ders(cert)
        self.leaf_sha256 = hashlib.sha256(self.chain[0]).hexdigest()
        self.chain_sha256 = [hashlib.sha256(der).hexdigest() for der in self.chain]

    def is_ec(self):
        return b"NIST CURVE" in openssl("pkey", "-in", self.key, "-noout", "-text")

    def serial(self):
        return openssl("x509", "-in", self.cert, "-noout", "-serial").decode().strip().partition("=")[2].lower()


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, home, name, key_type="ec", parent=None):
        self.home = Path(home)
        self.home.mkdir(parents=True)
        self.parent = parent
        self.config = self.home / "ca.cnf"
        self.config.write_text(_CA_CONFIG.format(home=self.home, name=name))
        (self.home / "index.txt").touch()
        (self.home / "crlnumber").write_text("1000\n")
        self.key = new_key(key_type, self.home / "ca.key")
        self.cert = self.home / "ca.pem"
        self._count = 0
        if parent is None:
            openssl(
                "req", "-x509", "-new", "-config", self.config, "-extensions", "v3_ca", "-key", self.key,
                "-days", 60, "-out", self.cert,
            )
            self.above = ""
        else:
            request = self.home / "ca.csr"
            openssl("req", "-new", "-config", self.config, "-key", self.key, "-out", request)
            extensions = self.home / "ca.ext"
            extensions.write_text(_CA_CONFIG.format(home=self.home, name=name) + "authorityKeyIdentifier = keyid\n")
            parent.sign(request, extensions, "v3_ca", self.cert)
            self.above = self.cert.read_text() + parent.above

    def sign(self, request, extension_file, section, out, start=None, end=None):
        dates = []
        if start is not None:
            dates += ["-startdate", stamp(start)]
        if end is not None:
            dates += ["-enddate", stamp(end)]
        openssl(
            "ca", "-batch", "-config", self.config, "-notext", "-in", request, "-extfile", extension_file,
            "-extensions", section, "-out", out, *dates,
        )

    def issue(self, name, role, key_type="ec", names="", start=None, end=None, key=None):
        """A certificate for `role` (server or client). Dates are seconds from now; `key`: an existing key file."""
        self._count += 1
        stem = self.home / f"{self._count:04d}-{role}"
        key = Path(key) if key else new_key(key_type, stem.with_suffix(".key"))
        request, extensions, cert = (stem.with_suffix(suffix) for suffix in (".csr", ".ext", ".pem"))
        openssl("req", "-new", "-config", self.config, "-key", key, "-subj", f"/CN={name}", "-out", request)
        extensions.write_text(_LEAF_EXTENSIONS.format(role=role, names=names or f"DNS:{name}"))
        self.sign(request, extensions, "leaf", cert, start, end)
        cert.write_text(cert.read_text() + self.above)
        return Credential(key, cert)

    def revoke(self, credential):
        leaf = self.home / "revoke.pem"
        leaf.write_bytes(openssl("x509", "-in", credential.cert))
        openssl("ca", "-config", self.config, "-revoke", leaf)

    def write_crl(self, path, seconds=None):
        """A CRL of what is revoked so far; `seconds`: until its nextUpdate."""
        limit = ["-crlsec", seconds] if seconds is not None else []
        openssl("ca", "-gencrl", "-config", self.config, "-out", path, *limit)
        return Path(path)


def new_key(key_type, path):
    """A new private key, mode 0600."""
    old = os.umask(0o077)
    try:
        openssl("genpkey", *_KEY_OPTIONS[key_type], "-out", path)
    finally:
        os.umask(old)
    return Path(path)


class Pki:
    """What the server tests need; parts are made when first asked for."""

    def __init__(self, home):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.ca = Authority(self.home / "ca", "Test CA")
        self.second_ca = Authority(self.home / "second-ca", "Second Test CA")
        self.wrong_ca = Authority(self.home / "wrong-ca", "Wrong Test CA")
        self.intermediate = Authority(self.home / "intermediate", "Test Intermediate CA", parent=self.ca)
        self.own_ca = Authority(self.home / "own-ca", "The Server's Own CA")
        self._made = {}
        self.crl = None
        client = self._client
        self.clients = {
            "good": client(self.ca),
            "wrong CA": client(self.wrong_ca),
            "expired": client(self.ca, start=-7200, end=-3600),
            "not yet valid": client(self.ca, start=3600, end=7200),
            "revoked": client(self.ca),
            "not allowed": client(self.ca, uri=URI_OTHER),
        }
        self.ca.revoke(self.clients["revoked"])
        self.crl = self.ca.write_crl(self.home / "ca.crl")

    @staticmethod
    def _client(authority, uri=URI_GOOD, **dates):
        return authority.issue("client", "client", names=f"DNS:client.example, URI:{uri}", **dates)

    def client(self, authority, **dates):
        return self._client(authority, **dates)

    def _once(self, what, make):
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    def server(self, key_type, number=0):
        """What tlsgraft injects: leaf and intermediate. Different numbers are different certificates and keys."""
        names = ", ".join(f"DNS:{host}" for host in HOSTS)
        return self._once(
            ("server", key_type, number),
            lambda: self.intermediate.issue(f"injected {key_type} {number}", "server", key_type, names=names),
        )

    def own(self, key_type, host=HOSTS[0]):
        """The server's own certificate, for a virtual host: never what a governed connection may see."""
        return self._once(("own", key_type, host), lambda: self.own_ca.issue(host, "server", key_type))
