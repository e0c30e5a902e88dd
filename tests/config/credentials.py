# SPDX-License-Identifier: Apache-2.0
"""The files that the rows of the table name: good ones, and one for each thing that can be wrong. Made once for a run."""

import os
import subprocess
from pathlib import Path

CA_CONFIG = """
[ca]
default_ca = it
[it]
dir = {folder}/{name}.d
database = $dir/index
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir
private_key = {folder}/{name}.key
certificate = {folder}/{name}.pem
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[scope]
issuingDistributionPoint = critical,@scope_point
[scope_point]
onlyCA = TRUE
[req]
distinguished_name = dn
prompt = no
[dn]
"""

RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
RSA_1024 = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
ED25519 = ("-algorithm", "ED25519")

CA = "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"
PAST = "20200101000000Z", "20210101000000Z"
FUTURE = "20400101000000Z", "20410101000000Z"


class Credentials:
    """Makes certificates by the openssl command alone, which every machine with the library has."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, name):
        return self.folder / name

    def write(self, name, *parts, mode=0o600):
        """One file of the contents of others, or of bytes."""
        data = b"".join(part if isinstance(part, bytes) else self.path(part).read_bytes() for part in parts)
        self.path(name).write_bytes(data)
        self.path(name).chmod(mode)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def key(self, name, kind=EC):
        self.openssl("genpkey", *kind, "-out", name + ".key")

    def config(self, name):
        self.path(name + ".cnf").write_text(CA_CONFIG.format(folder=self.folder, name=name))
        self.path(name + ".d").mkdir(exist_ok=True)
        self.path(name + ".d/index").touch()
        for number in ("serial", "crlnumber"):
            if not self.path(f"{name}.d/{number}").exists():
                self.path(f"{name}.d/{number}").write_text("1000\n")

    def request(self, name, subject, extensions):
        added = [word for extension in extensions for word in ("-addext", extension)]
        self.openssl("req", "-new", "-key", name + ".key", "-subj", "/CN=" + subject, *added, "-out", name + ".csr")

    def sign(self, name, issuer, dates=None, digest="sha256", self_signed=False):
        self.config(issuer)
        when = ("-startdate", dates[0], "-enddate", dates[1]) if dates else ()
        self.openssl("ca", "-batch", "-notext", "-config", issuer + ".cnf", *(("-selfsign",) if self_signed else ()),
                     "-md", digest, *when, "-in", name + ".csr", "-out", name + ".pem")

    def root(self, name, subject, dates=None, extensions=CA, kind=EC):
        self.key(name, kind)
        self.request(name, subject, extensions)
        self.sign(name, name, dates, self_signed=True)

    def leaf(self, name, issuer="ca", kind=EC, dates=None, extensions=(), digest="sha256", subject=None):
        self.key(name, kind)
        self.request(name, subject or name, ("subjectAltName=DNS:localhost", *extensions))
        self.sign(name, issuer, dates, digest)

    def crl(self, name, issuer="ca", *options):
        self.config(issuer)
        self.openssl("ca", "-config", issuer + ".cnf", "-gencrl", *options, "-out", name)

    def make(self):
        os.umask(0o077)
        self.root("ca", "Good CA")
        self.root("other", "Other CA")
        self.root("gone", "Gone CA", dates=PAST)
        self.root("weak-ca", "Weak CA", kind=RSA_1024)
        self.root("no-crl-sign", "Silent CA", extensions=("basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign"))
        self.root("servers-only", "Servers CA", extensions=(*CA, "extendedKeyUsage=serverAuth"))
        self.leaf("server")
        self.leaf("rsa", kind=RSA)
        self.leaf("ed25519", kind=ED25519)
        self.leaf("second")
        self.leaf("weak", kind=RSA_1024)
        self.root("rsa-ca", "RSA CA", kind=RSA)
        self.leaf("md5", issuer="rsa-ca", digest="md5")
        self.leaf("expired", dates=PAST)
        self.leaf("future", dates=FUTURE)
        self.leaf("client-only", extensions=("extendedKeyUsage=clientAuth",))
        self.leaf("any-use", extensions=("extendedKeyUsage=anyExtendedKeyUsage",))
        self.leaf("agree-only", extensions=("keyUsage=keyAgreement",))
        self.key("middle")
        self.request("middle", "Middle CA", CA)
        self.sign("middle", "ca")
        self.leaf("below", issuer="middle")
        self.crl("ca.crl")
        self.crl("other.crl", "other")
        self.crl("middle.crl", "middle")
        self.crl("silent.crl", "no-crl-sign")
        self.crl("scope.crl", "ca", "-crlexts", "scope")
        self.crl("stale.crl", "ca", "-crl_lastupdate", PAST[0], "-crl_nextupdate", PAST[1])
        self.crl("future.crl", "ca", "-crl_lastupdate", FUTURE[0], "-crl_nextupdate", FUTURE[1])
        self.compose()

    def odd(self):
        """What people bring along: marked, joined, swapped, converted, and of other programs."""
        ca, other = self.path("ca.pem").read_bytes(), self.path("other.pem").read_bytes()
        server = self.path("server.pem").read_bytes()
        self.write("marked.pem", b"\xef\xbb\xbf" + other, ca)
        self.write("joined.pem", other.rstrip(b"\n"), ca)
        self.write("indented.pem", other, ca.replace(b"-----BEGIN", b" -----BEGIN"))
        self.write("headless.pem", other, ca.split(b"\n", 1)[1])
        self.write("joined.crl", self.path("other.crl").read_bytes().rstrip(b"\n"), "ca.crl")
        self.write("utf16.pem", ca.decode().encode("utf-16"))
        self.write("nul.pem", server[:200] + bytes(300))
        self.write("quoted.pem", server.replace(b"\n", b"\\n"))
        self.write("store.jks", b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1")
        self.write("with-parameters.pem", b"-----BEGIN DH PARAMETERS-----\nMAYCAQcCAQI=\n-----END DH PARAMETERS-----\n", server)
        self.write("world.key", "server.key", mode=0o644)
        self.write("world.pem", server, mode=0o644)
        self.write("marked.txt", b"\xef\xbb\xbfthe right one\r\n")
        self.write("spaced.txt", b"the right one \n")
        self.write("utf16.txt", "the right one\n".encode("utf-16"))
        self.openssl("x509", "-in", "ca.pem", "-addreject", "clientAuth", "-trustout", "-out", "rejected.pem")
        self.openssl("x509", "-in", "middle.pem", "-addreject", "clientAuth", "-trustout", "-out", "rejected-middle.pem")
        self.openssl("x509", "-in", "ca.pem", "-addtrust", "serverAuth", "-trustout", "-out", "servers-trust.pem")
        self.openssl("x509", "-in", "ca.pem", "-addtrust", "clientAuth", "-trustout", "-out", "clients-trust.pem")
        self.openssl("crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-out", "ca.p7b")
        self.openssl("crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-outform", "DER", "-out", "ca.p7b.der")
        self.openssl("req", "-in", "server.csr", "-outform", "DER", "-out", "request.der")
        self.openssl("pkey", "-in", "server.key", "-pubout", "-out", "public.pem")
        self.openssl("pkcs12", "-export", "-nokeys", "-in", "ca.pem", "-passout", "file:pass.txt", "-out", "truststore.p12")
        legacy = ("-provider", "legacy", "-provider", "default")
        self.openssl("pkcs12", "-export", "-legacy", "-in", "server.pem", "-inkey", "server.key", "-passout", "file:pass.txt",
                     "-out", "legacy.p12")
        self.openssl("pkcs8", "-topk8", "-in", "server.key", "-v1", "PBE-MD5-DES", *legacy, "-passout", "file:pass.txt", "-out",
                     "legacy.key")
        self.leaf("staple", extensions=("tlsfeature=status_request",))
        self.root("bare", "Bare CA", extensions=("basicConstraints=critical,CA:TRUE", "subjectKeyIdentifier=none"))
        for name in ("legacy.p12", "legacy.key", "truststore.p12"):
            self.path(name).chmod(0o600)

    def compose(self):
        self.write("chain.pem", "below.pem", "middle.pem", "ca.pem")
        self.write("upside-down.pem", "middle.pem", "below.pem")
        self.write("broken-chain.pem", "below.pem", "other.pem")
        self.write("combined.pem", "server.pem", "server.key")
        self.write("both-cas.pem", "ca.pem", "other.pem")
        self.write("ca-and-key.pem", "ca.pem", "ca.key")
        self.write("crl-and-ca.crl", "ca.crl", "ca.pem")
        self.write("empty.pem", b"")
        self.write("text.pem", b"this is no certificate\n")
        self.write("cut.pem", self.path("server.pem").read_bytes()[:-40])
        self.write("garbled.pem", self.path("server.pem").read_bytes().replace(b"M", b"!", 3))
        self.write("second-cut.pem", self.path("server.pem").read_bytes(), self.path("ca.pem").read_bytes()[:-40])
        self.write("request.pem", "server.csr")
        self.write("exposed.key", "server.key", mode=0o640)
        self.write("exposed-combined.pem", "combined.pem", mode=0o644)
        self.write("two.key", "server.key", "second.key")
        self.write("loose.pem", "server.pem", mode=0o666)
        self.write("loose-ca.pem", "ca.pem", mode=0o664)
        self.write("pass.txt", b"the right one\n")
        self.write("wrong.txt", b"another\n")
        self.write("blank.txt", b"\n")
        self.write("exposed.txt", b"the right one\n", mode=0o644)
        self.openssl("x509", "-in", "server.pem", "-outform", "DER", "-out", "server.der")
        self.write("long.der", "server.der", b"and more")
        self.openssl("pkcs8", "-topk8", "-in", "server.key", "-passout", "file:pass.txt", "-out", "encrypted.key")
        self.openssl("pkcs12", "-export", "-in", "server.pem", "-inkey", "server.key", "-passout", "file:pass.txt", "-out",
                     "server.p12")
        self.odd()
        self.path("folder.pem").mkdir()
        os.mkfifo(self.path("fifo.pem"), 0o600)
        self.path("dangling.pem").symlink_to("nowhere.pem")
        if os.geteuid() == 0:
            self.write("foreign.pem", "ca.pem", mode=0o644)
            os.chown(self.path("foreign.pem"), 65534, 65534)
