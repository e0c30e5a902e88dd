# SPDX-License-Identifier: Apache-2.0
"""The verdict on real programs: what each of them is was found by other means (readelf, their packages)."""

import os
import struct
import subprocess
from pathlib import Path

from support.build import compiled

from doctor.case import DoctorCase

UNPACKED = Path(__file__).resolve().parent.parent.parent / "build-unpacked"
LINKED = "links libssl: /lib/x86_64-linux-gnu/libssl.so.3 (OpenSSL 3."
PLACEHOLDER = "needs: a certificate of its own to start"

# program, exit status, words that must be there, words that must not
REAL = (
    ("/usr/sbin/nginx", 0, (LINKED, PLACEHOLDER, "examples/certs/placeholder.sh"), ("copy", "limit: ")),
    ("/usr/sbin/apache2", 0, ("links no libssl; opens it later, by /usr/lib/apache2/modules/mod_ssl.so", PLACEHOLDER), ()),
    ("/usr/sbin/haproxy", 0, (LINKED, PLACEHOLDER), ("copy",)),
    ("/usr/sbin/lighttpd", 0, ("opens it later, by /usr/lib/lighttpd/mod_openssl.so", PLACEHOLDER), ()),
    ("/usr/sbin/mosquitto", 0, (LINKED,), (PLACEHOLDER,)),
    ("/usr/bin/redis-server", 0, (LINKED,), (PLACEHOLDER,)),
    ("/usr/lib/postgresql/15/bin/postgres", 1, (LINKED, "hostssl", "for libldap", PLACEHOLDER), ("limit: maps",)),
    ("/usr/bin/stunnel4", 0, (LINKED, PLACEHOLDER), ()),
    ("/usr/sbin/hitch", 0, (LINKED, PLACEHOLDER), ()),
    (UNPACKED / "vsftpd/usr/sbin/vsftpd", 1, (LINKED, "force_local_logins_ssl=YES"), (PLACEHOLDER,)),
    ("/usr/sbin/proftpd", 1, ("opens it later, by /usr/lib/proftpd/mod_tls.so", "TLSRequired on"), ()),
    ("/usr/sbin/dovecot", 1, ("opens it later, by /usr/lib/dovecot/modules/", "ssl = required"), ()),
    ("/usr/lib/dovecot/imap-login", 1, ("opens it later, by /usr/lib/dovecot/modules/", "ssl = required"), ()),
    ("/usr/lib/postfix/sbin/smtpd", 1, (LINKED, "smtpd_tls_security_level = encrypt"), (PLACEHOLDER,)),
    ("/usr/lib/postfix/sbin/master", 1, ("links no libssl", "smtpd_tls_security_level = encrypt"), (LINKED,)),
    ("/usr/bin/python3", 0, ("opens it later, by", "_ssl.cpython"), ()),
    ("/usr/bin/gunicorn", 0, ("a script: judged by its interpreter /usr/bin/python3", "_ssl.cpython"), ()),
    ("/usr/bin/memcached", 0, (LINKED,), (PLACEHOLDER,)),
    ("/usr/sbin/unbound", 0, (LINKED,), (PLACEHOLDER,)),
    ("/usr/sbin/named", 0, (LINKED,), (PLACEHOLDER,)),
    ("/usr/sbin/freeradius", 0, (LINKED, PLACEHOLDER), ()),
    ("/usr/bin/turnserver", 0, (LINKED, "for libldap", "the program itself does not call it"), ("limit: ",)),
    ("/usr/sbin/mariadbd", 1, (LINKED, "require_secure_transport = ON"), (PLACEHOLDER,)),
    ("/usr/bin/socat", 0, (LINKED,), ()),
    ("/usr/bin/ncat", 0, (LINKED,), ()),
    ("/usr/bin/weborf", 0, (LINKED,), ()),
    ("/usr/sbin/slapd", 126, ("speaks TLS through GnuTLS", "not through libssl"), ("links libssl",)),
    ("/usr/bin/webfsd", 126, ("speaks TLS through GnuTLS", "not through libssl"), ("links libssl",)),
    ("/bin/busybox", 126, ("a static program", "never sees it"), ()),
    ("/usr/bin/age", 126, ("Go program",), ()),
    ("/bin/su", 126, ("set-user-ID",), ()),
    ("/usr/bin/passwd", 126, ("set-user-ID",), ()),
    ("/bin/sh", 1, ("a launcher", "judged only when it runs"), ()),
    ("/bin/true", 126, ("there is nothing to graft",), ()),
    ("/etc", 126, ("not a program",), ()),
)

SAYS = '#include <stdio.h>\nint main(void) { puts("ran"); return 0; }\n'
LISTENS = "#include <sys/socket.h>\nint main(void) { return listen(-1, 1); }\n"
USES_SSL = (
    "#include <openssl/ssl.h>\n#include <stdio.h>\n"
    'int main(void) { puts("ran"); SSL *s = SSL_new(SSL_CTX_new(TLS_method())); return s ? SSL_accept(s) : 1; }\n'
)
STATIC_SSL = ("-Wl,-Bstatic", "-lssl", "-lcrypto", "-Wl,-Bdynamic", "-ldl", "-lpthread")


class Programs(DoctorCase):
    def copy_of(self, program, name, mode=0o755):
        target = self.home / name
        target.write_bytes(Path(program).read_bytes())
        target.chmod(mode)
        return target

    def stripped(self, program, name):
        target = self.home / name
        subprocess.run(["strip", "-o", target, program], check=True)
        return target

    def test_real_programs(self):
        for program, status, words, others in REAL:
            with self.subTest(program=str(program)):
                done = self.doctor(program)
                self.assert_says(done, status, *words)
                for word in others:
                    self.assertNotIn(word, done.stdout)

    def test_debians_node(self):
        """Its libssl comes with libnode, which is found where the caller says."""
        libraries = {"LD_LIBRARY_PATH": str(UNPACKED / "libnode108/usr/lib/x86_64-linux-gnu")}
        done = self.doctor(UNPACKED / "nodejs/usr/bin/node", environment=libraries)
        self.assert_says(done, 0, LINKED)
        self.assertNotIn("copy", done.stdout)
        self.assert_says(self.doctor(UNPACKED / "nodejs/usr/bin/node"), 126, "libnode.so.108")

    def test_a_static_copy_of_openssl(self):
        """As NodeSource links its node: dynamic, with a libssl inside."""
        mute = compiled(USES_SSL, *STATIC_SSL, name="copied")
        telling = compiled(USES_SSL.replace('"ran"', "OpenSSL_version(0)"), *STATIC_SSL, name="telling")
        for program, version in ((mute, "OpenSSL"), (telling, "OpenSSL 3.")):
            for subject in (program, self.stripped(program, "stripped")):
                self.assert_says(
                    self.doctor(subject), 126, f"holds a copy of libssl of its own: {version}",
                    "its calls cannot be reached",
                )

    def test_a_static_program_with_openssl(self):
        program = compiled(USES_SSL, "-static", "-lssl", "-lcrypto", "-Wl,--no-warnings", name="static-ssl")
        self.assert_says(self.doctor(self.stripped(program, "s")), 126, "a static program", "holds OpenSSL")

    def test_a_linked_libssl_and_a_copy(self):
        """The copy is a library's, as of a bundled module."""
        library = compiled(
            "#include <openssl/ssl.h>\nvoid *made(void);\nvoid *made(void) { return SSL_CTX_new(TLS_method()); }\n",
            "-shared", "-fPIC", *STATIC_SSL, name="libbundle.so",
        )
        program = compiled(
            "#include <openssl/ssl.h>\nvoid *made(void);\nint main(void) { return made() == SSL_CTX_new(TLS_method()); }\n",
            "-Wl,--no-as-needed", "-lssl", "-lcrypto", "-xnone", library, f"-Wl,-rpath,{library.parent}", name="both",
        )
        self.assert_says(self.doctor(program), 1, LINKED, "libbundle.so holds a copy of libssl of its own")

    def test_a_bundled_libssl(self):
        folder = self.home / "app"
        folder.mkdir()
        for name in ("libssl.so.3", "libcrypto.so.3"):
            (folder / name).write_bytes(Path(f"/usr/lib/x86_64-linux-gnu/{name}").read_bytes())
        program = compiled(USES_SSL, f"-Wl,-rpath,{folder}", "-lssl", "-lcrypto", name="bundled")
        self.assert_says(self.doctor(program), 0, f"links libssl: {folder}/libssl.so.3 (OpenSSL 3.", "its own bundled one")

    def test_texts_about_tls_are_no_copy(self):
        """A program that talks of OpenSSL, as a monitor does."""
        text = 'const char *t = "OpenSSL 3.0.17 1 Jul 2025 rustls BoringSSL wolfSSL mbed TLS";\n'
        program = compiled(f"#include <dlfcn.h>\n{text}int main(void) {{ return dlopen(t, 1) != 0; }}\n", name="talker")
        done = self.doctor(program)
        self.assert_says(done, 0, "can open one at run time")
        self.assertNotIn("holds", done.stdout)

    def test_rustls_by_its_texts(self):
        text = '"/build/.cargo/registry/src/index.crates.io-6f17d22bba15001f/rustls-0.23.5/src/conn.rs"'
        program = compiled(
            f"#include <dlfcn.h>\n#include <stdio.h>\nint main(void) {{ puts({text}); return dlopen(0, 1) != 0; }}\n",
            name="rusty",
        )
        self.assert_says(self.doctor(program), 126, "speaks TLS through rustls 0.23.5")

    def test_a_sanitizer_that_bears_no_preload(self):
        section = {"listen": "127.0.0.1:1", "server_speaks": "plaintext", **self.mutual(self.pki.server("ec"))}
        site = self.ini({"listener x": section})
        for name, words in (("address", "AddressSanitizer"), ("thread", "")):
            program = compiled(LISTENS, f"-fsanitize={name}", name=f"sanitized-{name}")
            with self.subTest(name):
                if words:
                    self.assert_says(self.doctor(program), 126, words, "verify_asan_link_order=0")
                plaintext = self.doctor(program, "-c", site)
                self.assert_says(plaintext, 126, words or "RTLD_DEEPBIND", "take a build without it")

    def test_static_pie(self):
        self.assert_says(self.doctor(compiled(SAYS, "-static-pie", name="static-pie")), 126, "static")

    def test_file_capabilities_also_through_links_and_scripts(self):
        program = self.copy_of(compiled(USES_SSL, "-lssl", "-lcrypto", name="with-ssl"), "capable")
        subprocess.run(["setcap", "cap_net_bind_service=ep", program], check=True)
        link, script = self.home / "link", self.home / "script"
        link.symlink_to(program)
        script.write_text(f"#!{link}\n")
        script.chmod(0o755)
        for subject in (program, link, script):
            self.assert_says(self.doctor(subject), 126, "file capabilities")
        self.assert_says(self.doctor(compiled(USES_SSL, "-lssl", "-lcrypto", name="with-ssl")), 0, LINKED)

    def test_set_user_and_group_id(self):
        for mode, word in ((0o4755, "set-user-ID"), (0o2755, "set-group-ID")):
            program = self.copy_of(compiled(USES_SSL, "-lssl", "-lcrypto", name="with-ssl"), f"mode{mode:o}")
            program.chmod(mode)
            self.assert_says(self.doctor(program), 126, word)

    def test_other_machines(self):
        own = bytearray(Path("/bin/true").read_bytes())
        foreign = self.home / "arm"
        foreign.write_bytes(own[:18] + struct.pack("<H", 183) + own[20:])
        small = self.home / "i386"
        small.write_bytes(
            b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 40, 0, 0)
            + bytes(32)
        )
        for path, words in ((foreign, ("64-bit", "AArch64")), (small, ("32-bit", "80386"))):
            path.chmod(0o755)
            self.assert_says(self.doctor(path), 126, *words)

    def test_scripts_and_files_that_are_none(self):
        script, text = self.home / "script", self.home / "text"
        script.write_text("#!/bin/sh\nexec nginx\n")
        text.write_text("no program\n")
        script.chmod(0o755)
        text.chmod(0o644)
        self.assert_says(self.doctor(script), 1, "judged by its interpreter /bin/sh", "a launcher")
        self.assert_says(self.doctor(text), 126, "not executable")
        self.assert_says(self.doctor(self.home / "missing"), 126, "No such file")

    def test_an_unreadable_file(self):
        """For a user who may execute it and not read it: nothing is guessed."""
        program = self.copy_of("/bin/true", "unreadable", 0o711)
        command = [self.graft.cli, "doctor", program]
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *map(str, command)], capture_output=True,
            text=True, check=False, stdin=subprocess.DEVNULL, timeout=20,
        )
        self.assert_says(done, 126, "Permission denied")

    def test_a_name_without_a_path(self):
        self.assert_says(self.doctor("nginx"), 0, "/usr/sbin/nginx: can be grafted", LINKED)
        self.assert_says(self.doctor("tlsgraft-no-such-program"), 126, "No such file")

    def test_json_says_the_same(self):
        status, verdict, found = self.findings("/usr/sbin/nginx")
        self.assertEqual((status, verdict), (0, "yes"))
        self.assertIn("needs", [kind for kind, _, _ in found])
        self.assertEqual(self.findings("/bin/sh")[:2], (1, "limits"))
        status, verdict, found = self.findings("/bin/su")
        self.assertEqual((status, verdict), (126, "no"))
        self.assertEqual([about for kind, about, _ in found if kind == "no"], ["graft"])

    def test_nothing_of_it_runs(self):
        marker = self.home / "ran"
        source = f"#include <fcntl.h>\n__attribute__((constructor)) static void go(void) {{ creat(\"{marker}\", 0600); }}\n"
        program = compiled(source + "int main(void) { return 0; }\n", name="leaves-a-mark")
        self.doctor(program)
        self.assertFalse(marker.exists())
        subprocess.run([program], check=True)
        self.assertTrue(marker.exists())
        os.unlink(marker)
