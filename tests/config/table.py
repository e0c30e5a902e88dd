"""Wrong files, and what is said of each. Also a few good ones, so that a check that refuses everything shows too.

A row changes lines of this file, which is good, and adds others behind it:

    1  [server]
    2  mode = mutual
    3  cert = server.pem
    4  key = server.key
    5  ca = ca.pem

Expected messages are regular expressions for a whole line, behind the folder of the file.
"""

import re
from dataclasses import dataclass

GOOD = ["[server]", "mode = mutual", "cert = server.pem", "key = server.key", "ca = ca.pem"]


@dataclass
class Row:
    name: str
    text: bytes
    expected: list
    status: int = 78
    mode: int = 0o600
    needs_root: bool = False


def ini(changes=None, *more):
    """The good file with other lines at the numbers given and more lines behind it."""
    lines = list(GOOD)
    for number, line in (changes or {}).items():
        lines[number - 1] = line
    return ("\n".join([*lines, *more]) + "\n").encode()


def plaintext(*more):
    """The good file with a listener of a plaintext server on lines 6 to 8, and more lines behind it."""
    return ini({}, "[listener a]", "listen = 127.0.0.1:1", "server_speaks = plaintext", *more)


def at(line, place, reason):
    """site.ini:LINE: [section] key: reason, where `reason` is plain text."""
    return rf"site\.ini:{line}: {re.escape(place)}: {re.escape(reason)}.*"


def bad(name, text, *expected, **more):
    return Row(name, text if isinstance(text, bytes) else text.encode(), list(expected), **more)


INI_ROWS = [
    bad("unknown section", ini({}, "[servr]", "mode = off"), at(6, "[servr]", "unknown section")),
    bad("unknown key", ini({5: "cas = ca.pem"}), at(5, "[server] cas", "unknown key"),
        at(1, "[server] ca", "is missing: this mode verifies clients")),
    bad("key of another section", ini({}, "listen = 127.0.0.1:1"),
        at(6, "[server] listen", "does not belong in this section, but in [listener]")),
    bad("section twice", ini({}, "[server]", "mode = off"), at(6, "[server]", "this section was begun on line 1 already")),
    bad("listener twice", ini({}, "[listener a]", "listen = 127.0.0.1:1", "[listener  a]", "listen = 127.0.0.1:2"),
        at(8, "[listener a]", "this section was begun on line 6 already")),
    bad("key twice", ini({}, "mode = off"), at(6, "[server] mode", "given twice, first on line 2")),
    bad("listener without a name", ini({}, "[listener]", "listen = 127.0.0.1:1"),
        at(6, "[listener]", "this section needs a name of its own")),
    bad("server with a name", ini({1: "[server x]"}), at(1, "[server x]", "this section takes no name"),
        r"site\.ini: governs nothing: .*"),
    bad("key before the first section", b"mode = mutual\n" + ini(), r"site\.ini:1: mode: stands before the first section"),
    bad("no equals sign", ini({2: "mode mutual"}), at(2, "[server]", "neither a [section] nor key = value"),
        at(1, "[server] mode", "is missing")),
    bad("colon for an equals sign", ini({2: "mode: mutual"}), at(2, "[server]", "neither a [section] nor key = value")),
    bad("no value", ini({2: "mode ="}), at(2, "[server] mode", "no value")),
    bad("only a comment for a value", ini({2: "mode = ; mutual"}), at(2, "[server] mode", "no value")),
    bad("comment with a number sign", ini({3: "cert = server.pem # ours"}),
        at(3, "[server] cert", "a comment behind a value begins with ' ;', not with #")),
    bad("section not closed", ini({1: "[server"}), r"site\.ini:1: a section's name ends with \]"),
    bad("text behind a section", ini({1: "[server] mode = off"}), r"site\.ini:1: text behind the section's \]"),
    bad("indented line", ini({3: "  cert = server.pem"}), at(3, "[server]", "the line is indented")),
    bad("long line", ini({3: "cert = " + "x" * 192}), at(3, "[server]", "the line is longer than 198 bytes")),
    bad("long comment whose tail is a key", ini({}, "; " + " " * 197 + "mode = off"),
        at(6, "[server]", "the line is longer than 198 bytes")),
    bad("long section name", ini({}, "[listener " + "n" * 45 + "]", "listen = 127.0.0.1:1"),
        r"site\.ini:6: a section's name is longer than 49 bytes"),
    bad("long key", ini({}, "k" * 50 + " = 1"), at(6, "[server]", "a key is longer than 49 bytes")),
    bad("NUL byte", ini({2: "mode = mut\0ual"}), at(2, "[server]", "the line holds a NUL byte")),
    bad("control character", ini({2: "mode = mut\x1bual"}), at(2, "[server]", "the line holds a control character")),
    bad("not UTF-8", ini().replace(b"ca.pem", b"c\xe4.pem"), at(5, "[server]", "the line is not UTF-8")),
    bad("empty file", b"", r"site\.ini: governs nothing: .*"),
    bad("unknown mode", ini({2: "mode = Mutual"}), at(2, "[server] mode", "'Mutual' is none of off, server, observe, optional")),
    bad("mode by a number that is none", ini({2: "mode = 3"}), at(2, "[server] mode", "'3' is none of")),
    bad("mode of a later version", ini({2: "mode = observe"}), at(2, "[server] mode", "'observe' is not in this version")),
    bad("unknown speech", ini({}, "[listener a]", "listen = 127.0.0.1:1", "server_speaks = TLS", "engine = relay"),
        at(8, "[listener a] server_speaks", "'TLS' is none of tls, plaintext")),
    bad("speech of the server section", ini({}, "server_speaks = plaintext"),
        at(6, "[server] server_speaks", "does not belong in this section, but in [listener]")),
    bad("what plaintext servers alone have", ini({}, "[listener a]", "listen = 127.0.0.1:1", "accept_plaintext = no",
        "plaintext_wait = 0", "engine = auto", "handshake_timeout = 10", "proxy_protocol = off"),
        *(at(8 + i, f"[listener a] {key}", "counts only with server_speaks = plaintext")
          for i, key in enumerate(("accept_plaintext", "plaintext_wait", "engine", "handshake_timeout", "proxy_protocol")))),
    bad("what plaintext servers alone have, with tls", ini({}, "[listener a]", "listen = 127.0.0.1:1", "proxy_protocol = v2",
        "server_speaks = tls"), at(8, "[listener a] proxy_protocol", "counts only with server_speaks = plaintext")),
    bad("unknown engine", plaintext("engine = none"), at(9, "[listener a] engine", "'none' is none of auto, direct, relay")),
    bad("unknown PROXY protocol", plaintext("proxy_protocol = v1"), at(9, "[listener a] proxy_protocol", "'v1' is none of off, v2")),
    bad("handshakes without time", plaintext("handshake_timeout = 0"),
        at(9, "[listener a] handshake_timeout", "0 is not in 1 to 3600")),
    bad("plaintext_wait too long", plaintext("accept_plaintext = yes", "plaintext_wait = 10001"),
        at(10, "[listener a] plaintext_wait", "10001 is not in 0 to 10000")),
    bad("plaintext_wait with a unit", plaintext("accept_plaintext = yes", "plaintext_wait = 1s"),
        at(10, "[listener a] plaintext_wait", "'1s' is not a number")),
    bad("a name that is off on a plaintext port", plaintext("[sni b]", "names = b.example", "mode = off"),
        at(11, "[sni b] mode", "off serves the server's own certificate, and a server that speaks plaintext has none")),
    bad("a name on a plaintext port that is off", plaintext("mode = off", "[sni b]", "names = b.example", "listener = a"),
        at(12, "[sni b] listener", "[listener a] is off and its server speaks plaintext: everything is passed through")),
    bad("no mode", ini({2: "; mode"}), at(1, "[server] mode", "is missing: off, server, optional or mutual")),
    bad("listener without a mode", b"[listener a]\nlisten = 127.0.0.1:1\ncert = server.pem\nkey = server.key\n",
        at(1, "[listener a] mode", "is missing")),
    bad("no cert", ini({3: ";", 4: ";"}), at(1, "[server] cert", "is missing: every mode but off serves one")),
    bad("no ca", ini({5: ";"}), at(1, "[server] ca", "is missing: this mode verifies clients")),
    bad("number out of range", ini({}, "verify_depth = 101"), at(6, "[server] verify_depth", "101 is not in 0 to 100")),
    bad("not a number", ini({}, "security_level = high"), at(6, "[server] security_level", "'high' is not a number")),
    bad("huge number", ini({}, "[tlsgraft]", "warn_days = 99999999999999999999"), at(7, "[tlsgraft] warn_days", "")),
    bad("session age of nothing", ini({}, "max_session_age = 0"),
        at(6, "[server] max_session_age", "0 is not in 1 to 604800")),
    bad("session age over a week", ini({}, "max_session_age = 604801"),
        at(6, "[server] max_session_age", "604801 is not in 1 to 604800")),
    bad("session age with a unit", ini({}, "max_session_age = 1h"), at(6, "[server] max_session_age", "'1h' is not a number")),
    bad("session age twice", ini({}, "max_session_age = 1", "max_session_age = 2"),
        at(7, "[server] max_session_age", "given twice, first on line 6")),
    bad("unknown recheck", ini({}, "recheck = yes"), at(6, "[server] recheck", "'yes' is none of no, new-generation")),
    bad("recheck of the tree", ini({}, "[tlsgraft]", "recheck = no"),
        at(7, "[tlsgraft] recheck", "does not belong in this section, but in [server]")),
    bad("unknown protocol", ini({}, "min_protocol = TLSv1.4"), at(6, "[server] min_protocol", "'TLSv1.4' is none of TLSv1,")),
    bad("protocols the wrong way round", ini({}, "min_protocol = TLSv1.3", "max_protocol = TLSv1.2"),
        at(7, "[server] max_protocol", "'TLSv1.2' is older than min_protocol")),
    bad("unknown cipher", ini({}, "ciphers = ECDHE+AESGCM:NO-SUCH"),
        at(6, "[server] ciphers", "'NO-SUCH' is no cipher suite of this OpenSSL")),
    bad("no cipher left", ini({}, "ciphers = AESGCM:!AESGCM"), at(6, "[server] ciphers", "'AESGCM:!AESGCM' leaves no cipher suite")),
    bad("unknown cipher suite", ini({}, "ciphersuites = TLS_AES_512"),
        at(6, "[server] ciphersuites", "'TLS_AES_512' is no TLS 1.3 cipher suite of this OpenSSL")),
    bad("unknown group", ini({}, "groups = X25519:P-257"), at(6, "[server] groups", "'P-257' is no group of this OpenSSL")),
    bad("listener without an address", ini({}, "[listener a]", "mode = off"), at(6, "[listener a] listen", "is missing")),
    bad("address without a port", ini({}, "[listener a]", "listen = 127.0.0.1"), at(7, "[listener a] listen", "'127.0.0.1': no port")),
    bad("address that is a name", ini({}, "[listener a]", "listen = localhost:443"),
        at(7, "[listener a] listen", "'localhost:443': not an IP address (host names are not looked up)")),
    bad("bare IPv6 address", ini({}, "[listener a]", "listen = ::1:443"),
        at(7, "[listener a] listen", "'::1:443': write an IPv6 address as [v6]:PORT")),
    bad("port beyond 65535", ini({}, "[listener a]", "listen = *:65536"),
        at(7, "[listener a] listen", "'*:65536': the port is beyond 65535")),
    bad("address in two listeners",
        ini({}, "[listener a]", "listen = 127.0.0.1:443", "[listener b]", "listen = [::ffff:127.0.0.1]:443"),
        at(9, "[listener b] listen", "'[::ffff:127.0.0.1]:443' is an address of [listener a] already")),
    bad("sni without names", ini({}, "[sni a]"), at(6, "[sni a] names", "is missing")),
    bad("sni of no listener", ini({}, "[sni a]", "names = a.example", "listener = b"),
        at(8, "[sni a] listener", "there is no section [listener b]")),
    bad("sni with nothing to apply on", b"[sni a]\nnames = a.example\nmode = off\n", r"site\.ini: governs nothing: .*"),
    bad("name twice", ini({}, "[sni a]", "names = a.example", "[sni b]", "names = b.example, A.example."),
        at(9, "[sni b] names", "'A.example.' is a name of [sni a] already")),
    bad("wildcard inside a name", ini({}, "[sni a]", "names = a*.example"),
        at(7, "[sni a] names", "'a*.example': a wildcard is the whole first label")),
    bad("name that is an address", ini({}, "[sni a]", "names = 192.0.2.1"), at(7, "[sni a] names", "'192.0.2.1': an address")),
    bad("unknown allow prefix", ini({}, "allow = OU:web"), at(6, "[server] allow", "'OU:web': begins with none of CN:")),
    bad("empty allow", ini({}, "allow = DNS:"), at(6, "[server] allow", "'DNS:': nothing behind the prefix")),
    bad("allow with a star inside", ini({}, "allow = URI:spiffe://corp/*/web"),
        at(6, "[server] allow", "'URI:spiffe://corp/*/web': * is allowed once, last, after a /")),
    bad("allow with a star in a CN", ini({}, "allow = CN:*"), at(6, "[server] allow", "'CN:*': * is allowed in URI: and DNS: only")),
    bad("allow with a bad network", ini({}, "allow = IP:10.0.0.1/8"),
        at(6, "[server] allow", "'IP:10.0.0.1/8': the address has bits beyond the prefix")),
    bad("allow with a short digest", ini({}, "allow = SHA256:00ff"),
        at(6, "[server] allow", "'SHA256:00ff': not 64 hexadecimal digits")),
    bad("log that is relative", ini({}, "[tlsgraft]", "log = tlsgraft.log"),
        at(7, "[tlsgraft] log", "'tlsgraft.log' is neither stderr nor syslog nor an absolute path")),
    bad("exe that is relative", ini({}, "[tlsgraft]", "exe = nginx"), at(7, "[tlsgraft] exe", "'nginx' is not an absolute path")),
    bad("unknown signal", ini({}, "[tlsgraft]", "reload_signal = SIGHUP"),
        at(7, "[tlsgraft] reload_signal", "'SIGHUP' is none of HUP, USR1, USR2, none")),
    bad("unknown user", ini({}, "[tlsgraft]", "user = no-such-user"),
        at(7, "[tlsgraft] user", "no user 'no-such-user' on this system")),
    bad("INI writable by others", ini(), r"site\.ini: is writable by others \(mode 0622\): .*", mode=0o622),
    bad("many faults", ini({2: "mode = both", 3: "cert = nowhere.pem", 5: "ca = empty.pem"}, "frob = 1"),
        at(2, "[server] mode", "'both' is none of"), at(6, "[server] frob", "unknown key"),
        at(3, "[server] cert", "nowhere.pem: No such file or directory"), at(5, "[server] ca", "empty.pem: is empty")),
]

CREDENTIAL_ROWS = [
    bad("cert is missing", ini({3: "cert = nowhere.pem"}), at(3, "[server] cert", "nowhere.pem: No such file or directory")),
    bad("cert is a dangling link", ini({3: "cert = dangling.pem"}),
        at(3, "[server] cert", "dangling.pem: No such file or directory")),
    bad("cert is a folder", ini({3: "cert = folder.pem"}), at(3, "[server] cert", "folder.pem: is a folder")),
    bad("cert is a FIFO", ini({3: "cert = fifo.pem"}), at(3, "[server] cert", "fifo.pem: is not a regular file")),
    bad("cert is a device", ini({3: "cert = /dev/zero"}), at(3, "[server] cert", "/dev/zero: is not a regular file")),
    bad("cert is empty", ini({3: "cert = empty.pem"}), at(3, "[server] cert", "empty.pem: is empty")),
    bad("cert is text", ini({3: "cert = text.pem"}), at(3, "[server] cert", "text.pem: neither PEM nor DER")),
    bad("cert is cut", ini({3: "cert = cut.pem"}), at(3, "[server] cert", "cut.pem: the CERTIFICATE on line 1 has no end")),
    bad("cert is garbled", ini({3: "cert = garbled.pem"}),
        at(3, "[server] cert", "garbled.pem: the CERTIFICATE on line 1 cannot be decoded")),
    bad("chain is cut", ini({3: "cert = second-cut.pem"}), at(3, "[server] cert", "second-cut.pem: the CERTIFICATE on line")),
    bad("cert is a request", ini({3: "cert = request.pem"}),
        at(3, "[server] cert", "request.pem: the CERTIFICATE REQUEST on line 1 is neither certificate, key nor CRL")),
    bad("cert has bytes behind it", ini({3: "cert = long.der"}), at(3, "[server] cert", "long.der: bytes behind the DER value")),
    bad("cert is a key", ini({3: "cert = server.key"}), at(3, "[server] cert", "server.key: holds no certificate")),
    bad("cert writable by others", ini({3: "cert = loose.pem"}),
        at(3, "[server] cert", "loose.pem: is writable by others (mode 0666)")),
    bad("cert expired", ini({3: "cert = expired.pem", 4: "key = expired.key"}),
        at(3, "[server] cert", "expired.pem: expired on 2021-01-01")),
    bad("cert of the future", ini({3: "cert = future.pem", 4: "key = future.key"}),
        at(3, "[server] cert", "future.pem: not valid before 2040-01-01")),
    bad("cert for clients", ini({3: "cert = client-only.pem", 4: "key = client-only.key"}),
        at(3, "[server] cert", "client-only.pem: may not be used by servers: its extended key usage lacks serverAuth")),
    bad("cert that may not sign", ini({3: "cert = agree-only.pem", 4: "key = agree-only.key"}),
        at(3, "[server] cert", "agree-only.pem: may not be used by servers: its key usage lacks digitalSignature")),
    bad("key of 1024 bits", ini({3: "cert = weak.pem", 4: "key = weak.key"}),
        at(3, "[server] cert", "weak.pem: its RSA key of 1024 bits is too weak for security level 2")),
    bad("signature with MD5", ini({3: "cert = md5.pem", 4: "key = md5.key"}),
        at(3, "[server] cert", "md5.pem: its signature with md5 is too weak for security level 2")),
    bad("level raised over a key", ini({}, "security_level = 4"),
        at(3, "[server] cert", "server.pem: its EC P-256 key of 256 bits is too weak for security level 4")),
    bad("chain upside down", ini({3: "cert = upside-down.pem", 4: "key = below.key"}),
        at(3, "[server] cert", "upside-down.pem: the leaf does not come first: certificate 2 is the one")),
    bad("chain of another", ini({3: "cert = broken-chain.pem", 4: "key = below.key"}),
        at(3, "[server] cert", "broken-chain.pem: certificate 2 (CN=Other CA): did not issue certificate 1")),
    bad("key of another", ini({4: "key = second.key"}),
        at(4, "[server] key", "second.key: the private key does not match the certificate in server.pem")),
    bad("key is missing", ini({4: "key = nowhere.key"}), at(4, "[server] key", "nowhere.key: No such file or directory")),
    bad("key is empty", ini({4: "key = empty.pem"}), at(4, "[server] key", "empty.pem: is empty")),
    bad("key is a certificate", ini({4: "key = server.pem"}), at(4, "[server] key", "server.pem: holds no private key")),
    bad("two keys", ini({4: "key = two.key"}), at(4, "[server] key", "two.key: holds 2 private keys")),
    bad("no key at all", ini({4: ";"}), at(3, "[server] cert", "server.pem: holds no private key, and no key follows this line")),
    bad("key readable by others", ini({4: "key = exposed.key"}),
        at(4, "[server] key", "exposed.key: holds a secret and is accessible to others (mode 0640)")),
    bad("combined file readable by others", ini({3: "cert = exposed-combined.pem", 4: ";"}),
        at(3, "[server] cert", "exposed-combined.pem: holds a secret and is accessible to others (mode 0644)")),
    bad("key before its cert", ini({3: "key = server.key", 4: "cert = server.pem"}),
        at(3, "[server] key", "no cert stands above it in this section")),
    bad("listener with a key alone", ini({}, "[listener a]", "listen = 127.0.0.1:1", "key = server.key"),
        at(8, "[listener a] key", "no cert stands above it in this section"), at(6, "[listener a] cert", "is missing")),
    bad("two keys for one cert", ini({}, "key = second.key"), at(6, "[server] key", "a second one for the cert on line 3")),
    bad("two certs of one type", ini({}, "cert = second.pem", "key = second.key"),
        at(6, "[server] cert", "second.pem: of the same key type as the cert on line 3")),
    bad("encrypted key, no passphrase", ini({4: "key = encrypted.key"}),
        at(4, "[server] key", "encrypted.key: the ENCRYPTED PRIVATE KEY on line 1 is encrypted: name the file")),
    bad("encrypted key, wrong passphrase", ini({4: "key = encrypted.key"}, "key_passphrase_file = wrong.txt"),
        at(4, "[server] key", "encrypted.key: the ENCRYPTED PRIVATE KEY on line 1 cannot be decrypted with the passphrase")),
    bad("empty passphrase", ini({4: "key = encrypted.key"}, "key_passphrase_file = blank.txt"),
        at(6, "[server] key_passphrase_file", "blank.txt: its first line is empty")),
    bad("passphrase readable by others", ini({4: "key = encrypted.key"}, "key_passphrase_file = exposed.txt"),
        at(6, "[server] key_passphrase_file", "exposed.txt: holds a secret and is accessible to others (mode 0644)")),
    bad("PKCS#12, wrong passphrase", ini({3: "cert = server.p12", 4: "key_passphrase_file = wrong.txt"}),
        at(3, "[server] cert", "server.p12: the PKCS#12 file cannot be decrypted with the passphrase given")),
    bad("ca is missing", ini({5: "ca = nowhere.pem"}), at(5, "[server] ca", "nowhere.pem: No such file or directory")),
    bad("ca is empty", ini({5: "ca = empty.pem"}), at(5, "[server] ca", "empty.pem: is empty")),
    bad("ca is no CA", ini({5: "ca = server.pem"}), at(5, "[server] ca", "server.pem: CN=server: is not a CA certificate")),
    bad("ca for servers only", ini({5: "ca = servers-only.pem"}),
        at(5, "[server] ca", "servers-only.pem: CN=Servers CA: may not issue clients")),
    bad("ca with its key", ini({5: "ca = ca-and-key.pem"}), at(5, "[server] ca", "ca-and-key.pem: holds a private key")),
    bad("ca of 1024 bits", ini({5: "ca = weak-ca.pem"}),
        at(5, "[server] ca", "weak-ca.pem: CN=Weak CA: its RSA key of 1024 bits is too weak")),
    bad("ca expired", ini({5: "ca = gone.pem"}), at(5, "[server] ca", "no CA is left: every one has expired")),
    bad("ca writable by others", ini({5: "ca = loose-ca.pem"}),
        at(5, "[server] ca", "loose-ca.pem: is writable by others (mode 0664)")),
    bad("ca of another user", ini({5: "ca = foreign.pem"}), at(5, "[server] ca", "foreign.pem: is owned by user 65534"),
        needs_root=True),
    bad("crl is missing", ini({}, "crl = nowhere.crl"), at(6, "[server] crl", "nowhere.crl: No such file or directory")),
    bad("crl is a certificate", ini({}, "crl = ca.pem"), at(6, "[server] crl", "ca.pem: holds a certificate, which belongs into ca")),
    bad("crl with a certificate", ini({}, "crl = crl-and-ca.crl"),
        at(6, "[server] crl", "crl-and-ca.crl: holds a certificate, which belongs into ca")),
    bad("crl of another CA", ini({}, "crl = other.crl"),
        at(6, "[server] crl", "other.crl: the CRL of CN=Other CA is signed by none of the CAs listed in ca")),
    bad("crl stale", ini({}, "crl = stale.crl"),
        at(6, "[server] crl", "stale.crl: the CRL of CN=Good CA is stale: a newer one was due on 2021-01-01")),
    bad("crl of the future", ini({}, "crl = future.crl"),
        at(6, "[server] crl", "future.crl: the CRL of CN=Good CA is of the future: 2040-01-01")),
    bad("crl for one of two CAs", ini({5: "ca = both-cas.pem"}, "crl = ca.crl"),
        at(6, "[server] crl", "no CRL of the CA CN=Other CA, which ca lists")),
    bad("crl of a CA that may not sign it", ini({5: "ca = no-crl-sign.pem"}, "crl = silent.crl"),
        at(6, "[server] crl", "silent.crl: CN=Silent CA may not sign CRLs: its key usage lacks cRLSign")),
    bad("crl_check = chain without the root", ini({5: "ca = middle.pem"}, "crl = middle.crl", "crl_check = chain"),
        at(5, "[server] ca", "crl_check = chain needs the issuer of CN=Middle CA in ca too")),
]

GOOD_ROWS = [
    Row("good", ini(), [], status=0),
    Row("with comments and a byte order mark", b"\xef\xbb\xbf; hello\r\n" + ini({2: "mode = 2 ; mutual"}), [], status=0),
    Row("key types side by side", ini({}, "cert = rsa.pem", "key = rsa.key", "cert = ed25519.pem", "key = ed25519.key"), [],
        status=0),
    Row("chain", ini({3: "cert = chain.pem", 4: "key = below.key"}), [], status=0),
    Row("DER", ini({3: "cert = server.der"}), [], status=0),
    Row("combined", ini({3: "cert = combined.pem", 4: ";"}), [], status=0),
    Row("encrypted key", ini({4: "key = encrypted.key"}, "key_passphrase_file = pass.txt"), [], status=0),
    Row("PKCS#12", ini({3: "cert = server.p12", 4: "key_passphrase_file = pass.txt"}), [], status=0),
    Row("any extended key usage", ini({3: "cert = any-use.pem", 4: "key = any-use.key"}), [], status=0),
    Row("two CAs and their CRLs", ini({5: "ca = both-cas.pem"}, "crl = ca.crl", "crl = other.crl"), [], status=0),
    Row("a weak key, with the level lowered", ini({3: "cert = weak.pem", 4: "key = weak.key"}, "security_level = 1"), [], status=0),
    Row("an intermediate CA alone", ini({5: "ca = middle.pem"}, "crl = middle.crl"), [], status=0),
    Row("listener and names", ini({}, "[listener a]", "listen = 127.0.0.1:443", "listen = [::1]:443", "mode = off", "[sni b]",
                                  "names = *.example, a.example"), [], status=0),
    Row("plaintext server", plaintext("accept_plaintext = yes", "plaintext_wait = 300", "proxy_protocol = v2", "engine = direct",
                                      "handshake_timeout = 3600", "[sni b]", "names = b.example", "listener = a"), [], status=0),
    Row("plaintext server, passed through", plaintext("mode = off", "[sni b]", "names = b.example"), [], status=0),
    Row("plaintext_wait left behind", plaintext("accept_plaintext = no", "plaintext_wait = 300"),
        [at(10, "[listener a] plaintext_wait", "has no effect without accept_plaintext = yes")], status=1),
    Row("one CA of two expired", ini({}, "ca = gone.pem"),
        [at(6, "[server] ca", "gone.pem: CN=Gone CA: expired on 2021-01-01: left out")], status=1),
    Row("expires soon", ini({}, "[tlsgraft]", "warn_days = 3650"),
        [at(3, "[server] cert", "server.pem: expires in 36")], status=1),
    Row("a weaker name on a mutual port", ini({}, "[sni b]", "names = b.example", "mode = server"),
        [at(8, "[sni b] mode", "demands less of clients than other names of the same port")], status=1),
    Row("a stricter name on an optional port", ini({2: "mode = optional"}, "[sni b]", "names = b.example", "mode = mutual"),
        [at(8, "[sni b] mode", "demands more of clients than other names of the same port")], status=1),
    Row("crl_check without crl", ini({}, "crl_check = chain"), [at(6, "[server] crl_check", "has no effect without crl")],
        status=1),
    Row("passphrase for nothing", ini({}, "key_passphrase_file = pass.txt"),
        [at(6, "[server] key_passphrase_file", "pass.txt: the key is not encrypted")], status=1),
]

BAD_ROWS = INI_ROWS + CREDENTIAL_ROWS
