#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes out each line of shim/policy/blocked_calls.def, and each statement below, in a copy of the shim, and expects a test to fail.

    /usr/bin/python3 tests/shim/rows.py BUILD_DIR [PATTERN]

Only the changed file is compiled anew, with the flags of the build; programs and keeper are those of the build. As root.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import hostile, procs  # noqa: E402
from support.graft import Graft, write_ini  # noqa: E402
from support.pki import ALLOW, Pki  # noqa: E402
from support.symbolic import symbolic_libssl  # noqa: E402

# (file, what is there, what takes its place, the run that should notice, the way that is tried there)
STATEMENTS = [
    ("enforce.c", "o->SSL_certs_clear(ssl);", ";", "late server", "certificate of another"),
    ("enforce.c", "if (o->SSL_use_cert_and_key(ssl, served->leaf, served->key, served->chain, 1) != 1)",
     "if (served == NULL)", "late server", "nothing"),
    ("enforce.c", "served->chain, 1)", "NULL, 1)", "late server", "nothing"),
    ("enforce.c", "o->SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE, NO_STATUS_TYPE, NULL);", ";", "late server", "staple"),
    ("enforce.c", "mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;", "mode |= 0;", "late mutual", "nothing"),
    ("enforce.c", "o->SSL_set_verify(ssl, mode, keep_verdict);", "(void)mode, (void)keep_verdict;", "late mutual", "nothing"),
    ("enforce.c", "o->SSL_set_client_CA_list(ssl, names);", ";", "late mutual", "nothing"),
    ("enforce.c", "	connection->phase = TG_PHASE_IDENTITY;\n	/*", "	/*", "late server", "certificate while"),
    ("enforce.c", "tg_certificateless_drop_suites(connection->policy, ssl) && ", "", "late mutual", "anonymous"),
    ("enforce.c", "tg_certificateless_close(policy, ssl);", ";", "late mutual", "early data"),
    ("enforce.c", "tg_protocol_limits_keep_level(connection->policy, ssl);", ";", "late limits", "security level of another"),
    ("enforce.c", "return !ours || apply_verification(tg_openssl(), connection, ssl);", "return ours || !ours;", "after", None),
    ("enforce.c", "if (!own_session_context_stays(policy) && !tg_enforce_session_context(connection, ssl))",
     "if (own_session_context_stays(NULL))", "hostile mutual", None),
    ("enforce.c", "tg_context_set_prefix(digest);", ";", "after", None),
    ("enforce.c", "return tg_verify_chain(connection, ssl, store);", "return 1;", "late mutual", "nothing"),
    ("certificateless.c", "o->SSL_set_max_early_data(ssl, 0);", ";", "late mutual", "early data, before"),
    ("certificateless.c", "o->SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION);", ";", "late mutual", "nothing"),
    ("certificateless.c", "o->SSL_set_psk_server_callback(ssl, NULL);", ";", "late mutual", "PSK, before"),
    ("certificateless.c", "o->SSL_set_psk_find_session_callback(ssl, NULL);", ";", "late mutual", "PSK session, before"),
    ("certificateless.c", "o->SSL_set_session_secret_cb(ssl, NULL, NULL);", ";", "late mutual", "session secret, before"),
    ("certificateless.c", "o->SSL_SRP_CTX_free(ssl);", ";", "late mutual", "SRP, before"),
    ("certificateless.c", "o->SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null ||", "", "late server", "anonymous"),
    ("certificateless.c", "(verifies(policy) && o->SSL_CIPHER_get_cipher_nid(cipher) == NID_undef)", "0", "late mutual", "suites that do not"),
    ("protocol_limits.c", "o->SSL_set_security_level(ssl, policy->security_level);", ";", "late limits", "security level, before"),
    ("protocol_limits.c", "o->SSL_set_security_callback(ssl, both_agree);", "(void)both_agree;", "late limits", "security callback, before"),
    ("protocol_limits.c", "policy->ciphers != NULL && ", "0 && ", "late limits", "suites, before"),
    ("protocol_limits.c", "policy->ciphersuites != NULL && ", "0 && ", "late limits", "suites, before"),
    ("protocol_limits.c", "policy->groups == NULL || ", "1 || ", "late limits", "groups, before"),
    ("issuer.h", "TG_CRYPTO(X509_STORE_CTX_set0_param)(ctx, rules);", ";", "late mutual", "rules of the process"),
    ("verdict.c", "connection->phase != TG_PHASE_IDENTITY && ", "0 && ", "hostile server", None),
    ("verdict.c", " || connection->phase == TG_PHASE_NEW", "", "after", None),
    ("ready.c", "return tg_enforce_verdict(connection, ssl, 1) == 1;", "return true;", "after", None),
    ("hooks_ssl_handshake.c", "judged(o, ssl, data, o->SSL_read(ssl, data, size))", "o->SSL_read(ssl, data, size)", "after", None),
    ("hooks_ssl_handshake.c", "judged(o, ssl, data, o->SSL_peek(ssl, data, size))", "o->SSL_peek(ssl, data, size)", "after", None),
    ("hooks_ssl_handshake.c", "judged_ex(o, ssl, data, done, o->SSL_read_ex(ssl, data, size, done))",
     "o->SSL_read_ex(ssl, data, size, done)", "after", None),
    ("hooks_ssl_handshake.c", "judged_ex(o, ssl, data, done, o->SSL_peek_ex(ssl, data, size, done))",
     "o->SSL_peek_ex(ssl, data, size, done)", "after", None),
    ("hooks_ssl_bio.c", "tg_ready_still(o, ssl)", "1", "after", None),
    ("hooks_ssl_bio.c", "go = ssl == NULL ? 1 : tg_ready(o, ssl);", "go = 1;", "hostile mutual", None),
    ("hooks_ssl_bio.c", "command == BIO_C_DO_STATE_MACHINE && !may_go(o, bio)", "0", "hostile server", None),
    ("hooks_ssl_bio.c", "if (tg_shim_is(TG_STATE_INERT) || !o->supported)\n\t\treturn o->BIO_new_ssl", "\t\treturn o->BIO_new_ssl", "after",
     None),
    ("hooks_ssl_handshake.c", "return connection == NULL ? tg_ready_noted(ssl, result) : tg_enforce_verdict(connection, ssl, result);",
     "return connection == NULL ? result : result;", "hostile server", None),
    ("hooks_ssl_session.c", " || tg_context_has_prefix(bytes, length)", "", "after", None),
    ("hooks_ssl_session.c", "tg_context_has_prefix(present, present_length) ||", "", "servers", "own_cache"),
    ("hooks_ssl_connection.c", "if (tg_shim_is(TG_STATE_GOVERNED) && tg_context_has_prefix(bytes, length))",
     "if (bytes == NULL && length > 0)", "after", None),
    ("hooks_ssl_context.c", "if (tg_shim_is(TG_STATE_GOVERNED) && tg_context_has_prefix(bytes, length))",
     "if (bytes == NULL && length > 0)", "after", None),
    ("hooks_dlsym.c", "instead_of(tg_libc.dlsym(handle, name), hook)", "NULL", "servers", "takes_every"),
    ("hooks_dlsym.c", "instead_of(tg_libc.dlvsym(handle, name, version), hook)", "NULL", "servers", "takes_every"),
    ("openssl.c", "return atomic_load(&is_alone) ? NULL : several;", "return NULL;", "servers", "another_libssl"),
]

# A header's statement is compiled with the file that has it.
COMPILED = {"issuer.h": "anchors.c"}


def rows():
    """(name, file to change, text, its replacement, file to compile, run, way) for each."""
    table = (ROOT / "shim/policy/blocked_calls.def").read_text()
    for line, what, row in re.findall(r"^(TG_BLOCKED(?:_CONTROL)?\((\w+), (\w+)\))$", table, re.M):
        run = {"PROTOCOL": "late limits", "IDENTITY": "late server"}.get(row, "late mutual")
        yield f"blocked_calls.def: {what}", "blocked_calls.def", line, line.replace(f" {row})", " NOTHING)"), "blocked_calls.c", run, what
    for file, text, instead, run, way in STATEMENTS:
        yield f"{file}: {' '.join(text.split())}", file, text, instead, COMPILED.get(file, file), run, way


class Shim:
    """A copy of the product whose shim is built from one changed file."""

    def __init__(self, build, home):
        self.build = build
        self.sources = home / "sources"
        self.graft_at = home / "product"
        for folder in ("bin", "lib", "libexec"):
            shutil.copytree(build / folder, self.graft_at / folder, symlinks=True)
        commands = json.loads((build / "compile_commands.json").read_text())
        self.commands = {Path(entry["file"]).name: entry for entry in commands if "/shim/" in entry["file"]}
        self.link = (build / "shim/CMakeFiles/tlsgraft-shim.dir/link.txt").read_text()

    def source(self, name):
        (found,) = self.sources.rglob(name)
        return found

    def make(self, changed, text, instead, compiled):
        shutil.rmtree(self.sources, ignore_errors=True)
        for folder in ("shim", "ipc"):
            shutil.copytree(ROOT / folder, self.sources / folder)
        target = self.source(changed)
        source = target.read_text()
        if source.count(text) != 1:
            raise SystemExit(f"{changed}: not exactly once: {text}")
        target.write_text(source.replace(text, instead))
        entry = self.commands[compiled]
        words = shlex.split(entry["command"])
        place = words[words.index("-o") + 1]
        words[words.index("-o") + 1] = str(self.sources / "changed.o")
        words[words.index("-c") + 1] = str(self.source(compiled))
        words[1:1] = [f"-I{self.sources}"]
        words.append("-Wno-error")
        subprocess.run(words, cwd=entry["directory"], check=True, stderr=subprocess.DEVNULL)
        linked = [str(self.sources / "changed.o") if word == place else word for word in shlex.split(self.link)]
        linked[linked.index("-o") + 1] = str(self.graft_at / "lib/libtlsgraft.so")
        subprocess.run(linked, cwd=entry["directory"], check=True)
        return Graft(self.graft_at)


class Runs:
    def __init__(self, build, home):
        self.build = build
        self.home = home
        self.pki = Pki(home / "pki")
        self.certificates = hostile.certificates(self.pki, home / "certs")
        self.pair = self.pki.server("rsa")
        self.libraries = home / "libraries"
        self.libraries.mkdir()
        symbolic_libssl(self.libraries)

    def noticed(self, graft, run, way):
        """How: None where nothing fails. Some calls come through others, unless libssl calls itself directly."""
        if self.fails(graft, run, way):
            return "fails"
        if run != "servers" and self.fails(graft, run, way, self.libraries):
            return "fails with a libssl that calls itself directly"
        return None

    def fails(self, graft, run, way, libraries=None):
        if run == "servers":
            command = ["/usr/bin/python3", ROOT / "tests/servers/run.py", graft.build, "-k", way]
            return subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=120).returncode != 0
        program, words, mode, keys, sections = hostile.RUNS[run]
        server = {"mode": mode, "cert": self.pair.cert, "key": self.pair.key, "ca": self.pki.ca.cert, "crl": self.pki.crl,
                  "allow": ALLOW, **keys}
        ini = write_ini(self.home / "site.ini", {"server": server, **sections})
        if way is not None:
            words = (*words, way)
        process = hostile.start(graft, ini, self.certificates, program, *words, programs=self.build, libraries=libraries)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        return process.returncode != 0


def main():
    build = Path(sys.argv[1]).resolve()
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    passed = failed = 0
    procs.become_subreaper()
    with tempfile.TemporaryDirectory(prefix="tlsgraft-rows-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        shim, runs = Shim(build, home), Runs(build, home)
        for run in hostile.RUNS:
            if runs.fails(Graft(build), run, None):
                raise SystemExit(f"'{run}' fails with the shim as it is")
        for name, changed, text, instead, compiled, run, way in rows():
            if pattern not in name:
                continue
            graft = shim.make(changed, text, instead, compiled)
            noticed = runs.noticed(graft, run, way)
            passed, failed = passed + bool(noticed), failed + (not noticed)
            print(f"{'ok    ' if noticed else 'FAILED'} without {name}: {run}{f', {way},' if way else ''} "
                  f"{noticed or 'does not fail'}", flush=True)
            procs.reap_orphans()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
