# SPDX-License-Identifier: Apache-2.0
"""The command line: words, exit statuses, what it judges and prints."""

import json
import os
import shutil
import ssl
import socket
import subprocess
import time

from case import Case
from site_folder import PYTHON, clean_environment, wait_until

SAYS = '#include <stdio.h>\nint main(void) { puts("ran"); return 0; }\n'
USES_SSL = '#include <openssl/ssl.h>\nint main(void) { return SSL_CTX_new(TLS_method()) == NULL; }\n'
LISTENS = '#include <stdio.h>\n#include <sys/socket.h>\nint main(int c, char **v) { puts("ran"); return c > 1 ? listen(c, 1) : 0; }\n'
OWN_SSL = 'void *SSL_CTX_new(void *m) { return m; }\nint main(void) { return 0; }\n'


class Commands(Case):
    def compiled(self, source, *flags):
        path = self.site.home / f"program-{time.monotonic_ns()}"
        subprocess.run(["cc", "-x", "c", "-", "-o", path, *flags], input=source, text=True, check=True)
        return path

    # usage

    def test_usage(self):
        for words in (
            [], ["fly"], ["--fly"], ["run"], ["run", "--"], ["run", "-c"], ["run", "--fly", "--", "true"], ["reload"],
            ["reload", "x"], ["reload", "-1"], ["reload", "0"], ["status", "x"], ["status", "--fly"], ["doctor"],
            ["doctor", "a", "b"], ["doctor", "--fly"], ["check", "a", "b"], ["check", "--fly"],
        ):
            with self.subTest(words=words):
                done = self.site.command(*words)
                self.assertEqual(done.returncode, 64, done.stderr)
                self.assertTrue(done.stderr.startswith("tlsgraft: "), done.stderr)
                self.assertIn("--help", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_help_and_version(self):
        for command in ([], ["run"], ["check"], ["doctor"], ["status"], ["reload"]):
            with self.subTest(command=command):
                done = self.site.command(*command, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(" ".join(["tlsgraft", *command]), done.stdout)
                self.assertRegex(self.site.command(*command, "--version").stdout, r"^tlsgraft \d+\.\d+\.\d+\n$")

    def test_options_of_the_command_are_its_own(self):
        done = self.site.command("run", "-c", self.site.ini, PYTHON, "--version")
        self.assertIn("Python 3", done.stdout)
        done = self.site.run(PYTHON, "--help")
        self.assertIn("usage", done.stdout.lower())

    # run and doctor

    def cannot(self, program, *words):
        done = self.site.run(program)
        self.assert_exit(done, 126, *words)
        self.assertEqual(done.stdout, "", "the program ran")
        self.assertTrue(done.stderr.startswith("tlsgraft: "), done.stderr)
        self.assert_exit(self.site.command("doctor", program), 126, "cannot be grafted", *words)

    def test_static(self):
        self.cannot(self.compiled(SAYS, "-static"), "static")
        self.cannot(self.compiled(SAYS, "-static-pie"), "static")

    def test_set_user_id(self):
        program = self.compiled(USES_SSL, "-lssl")
        program.chmod(0o4755)
        self.cannot(program, "set-user-ID")
        program.chmod(0o2755)
        self.cannot(program, "set-group-ID")

    def test_file_capabilities(self):
        program = self.compiled(USES_SSL, "-lssl")
        subprocess.run(["setcap", "cap_net_bind_service=ep", program], check=True)
        self.cannot(program, "file capabilities")

    def test_nothing_to_graft(self):
        self.cannot(self.compiled(SAYS), "no libssl")

    def test_own_copy_of_libssl(self):
        self.cannot(self.compiled(OWN_SSL, "-rdynamic"), "static copy of libssl")

    def speaking(self, *keys, name="plain.ini"):
        """A file whose one listener is of a plaintext server."""
        path = self.site.write(name=name)
        listener = ["[listener plain]", "listen = 127.0.0.1:1", "server_speaks = plaintext", *keys]
        path.write_text(path.read_text() + "\n".join([*listener, ""]))
        return path

    def test_a_plaintext_server(self):
        """What has no libssl and listens can be grafted where the file speaks for a plaintext server, and only there."""
        server = self.compiled(LISTENS)
        self.cannot(server, "links no libssl")
        self.assert_exit(self.site.command("doctor", server), 126, "needs: a [listener] with server_speaks = plaintext", "imports listen")
        for keys, status, said, ran in (((), 0, "", "ran\n"), (("mode = off",), 126, "links no libssl", "")):
            ini = self.speaking(*keys)
            done = self.site.command("run", "-c", ini, "--", server)
            self.assert_exit(done, status, said)
            self.assertEqual(done.stdout, ran, done.stderr)
            self.assertNotIn("launcher", done.stderr)
            self.assert_exit(self.site.command("doctor", "-c", ini, server), status)

    def test_a_plaintext_server_by_activation(self):
        server = self.compiled(LISTENS.replace("listen(c, 1)", "accept4(c, 0, 0, 0)"), "-D_GNU_SOURCE")
        self.cannot(server, "links no libssl")
        self.assert_exit(self.site.command("run", "-c", self.speaking(), "--", server), 0, "ran")
        self.assert_exit(self.site.command("doctor", "-c", self.speaking(), server), 0, "imports accept")

    def test_a_plaintext_server_with_tls_of_its_own(self):
        """Its other ports are out of reach: that is said."""
        own = self.compiled(LISTENS + OWN_SSL.partition("\n")[0] + "\n", "-rdynamic")
        self.cannot(own, "static copy of libssl")
        done = self.site.command("run", "-c", self.speaking(), "--", own)
        self.assert_exit(done, 0, "its plaintext ports alone can be grafted", "static copy of libssl")
        self.assertEqual(done.stdout, "ran\n")
        for server in ("/usr/bin/webfsd", "/usr/sbin/slapd"):
            self.assert_exit(self.site.command("doctor", server), 126, "GnuTLS", "needs: a [listener]")
            done = self.site.command("doctor", "-c", self.speaking(), server)
            self.assertIn("limit: speaks TLS through GnuTLS", done.stdout)
            self.assertEqual(done.returncode, 1)

    def test_what_no_plaintext_section_helps(self):
        ini = self.speaking()
        programs = (
            (self.compiled(LISTENS, "-static"), "static"), (self.compiled(SAYS), "nothing to graft"),
            ("/usr/bin/age", "Go program"), ("/bin/busybox", "static"),
        )
        for program, word in programs:
            with self.subTest(program=program):
                done = self.site.command("run", "-c", ini, "--", program)
                self.assert_exit(done, 126, word)
                self.assertEqual(done.stdout, "", "the program ran")
                self.assert_exit(self.site.command("doctor", "-c", ini, program), 126, word)

    def test_liburing(self):
        library = self.site.home / "liburing.so.2"
        subprocess.run(
            ["cc", "-shared", "-Wl,-soname,liburing.so.2", "-x", "c", "-", "-o", library], input="int uring;", text=True, check=True
        )
        source = "extern int uring;\n" + LISTENS.replace("return c", "return uring + c")
        server = self.compiled(source, "-xnone", library, f"-Wl,-rpath,{library.parent}")
        self.assert_exit(self.site.command("doctor", "-c", self.speaking(), server), 1, "limit: maps", "liburing.so.2", "io_uring")
        self.assert_exit(self.site.command("doctor", server), 126, "io_uring")

    def test_missing_library(self):
        folder = self.site.home / "libraries"
        folder.mkdir()
        subprocess.run(["cc", "-shared", "-x", "c", "-", "-o", folder / "libgone.so"], input="int gone;", text=True, check=True)
        program = self.compiled("extern int gone; int main(void) { return gone; }", f"-L{folder}", "-lgone")
        shutil.rmtree(folder)
        self.cannot(program, "libgone.so", "No such file")

    def test_other_loader(self):
        self.cannot(self.compiled(SAYS, "-Wl,--dynamic-linker=/lib/ld-other.so.1"), "/lib/ld-other.so.1")

    def test_broken_files(self):
        good = self.compiled(SAYS).read_bytes()
        for number, content in enumerate((b"\x7fELF", good[:64], good[:300], good[:4] + b"\1" + good[5:], b"#!", b"#!\n")):
            path = self.site.home / f"broken-{number}"
            path.write_bytes(content)
            path.chmod(0o755)
            with self.subTest(number=number):
                self.cannot(path)
        for at in range(0x20, 0x40):  # every field of the header that is an offset, a size or a count
            path = self.site.home / "wild"
            path.write_bytes(good[:at] + b"\xff" + good[at + 1 :])
            path.chmod(0o755)
            done = self.site.command("doctor", path)
            self.assertIn(done.returncode, (0, 1, 126), f"{at}: {done.stderr}")

    def test_not_executable(self):
        path = self.site.home / "text"
        path.write_text("text\n")
        self.assert_exit(self.site.run(path), 126, "Permission denied")
        self.assert_exit(self.site.command("doctor", path), 126, "not executable")
        self.assert_exit(self.site.run(self.site.home), 126)

    def test_script(self):
        script = self.site.home / "script"
        script.write_text(f"#!{self.compiled(SAYS, '-static')}\n")
        script.chmod(0o755)
        self.cannot(script, "static")
        script.write_text("#!/bin/sh\necho ran\n")
        done = self.site.run(script)
        self.assert_exit(done, 0, "a launcher")
        self.assertEqual(done.stdout, "ran\n")

    def test_no_such_command(self):
        self.assert_exit(self.site.run("/no/such/program"), 127)
        self.assert_exit(self.site.run("tlsgraft-no-such-program"), 127)

    def test_doctor_of_a_process(self):
        server = self.site.start()
        self.assert_exit(self.site.command("doctor", server.pid), 0, "the shim is in it", "generation 1")
        plain = subprocess.Popen([PYTHON, "-c", "import ssl, time; print(1, flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
        self.site.started.append(plain)
        plain.stdout.readline()
        self.assert_exit(self.site.command("doctor", plain.pid), 126, "the shim is not in it")
        os.kill(self.site.keeper(server.pid)[0], 9)
        self.assert_exit(self.site.command("doctor", server.pid), 1, "keeper does not answer")
        self.assert_exit(self.site.command("doctor", 4194303), 126, "no such process")

    def test_doctor_of_real_servers(self):
        self.assert_exit(self.site.command("doctor", "/usr/sbin/nginx"), 0, "libssl.so.3")
        self.assert_exit(self.site.command("doctor", "/bin/sh"), 1, "launcher")

    # check

    def test_check(self):
        self.assert_exit(self.site.command("check", self.site.ini), 0, "[server] mutual", "EC P-256", "CN=localhost", "DNS:localhost")
        self.assert_exit(self.site.command("check", cwd=self.site.home, ), 78, "/etc/tlsgraft/tlsgraft.ini")
        self.site.write(top="warn_days = 3000")
        self.assert_exit(self.site.command("check", self.site.ini), 1, "warning: ")
        self.site.write(server="mode = strict")
        self.assert_exit(self.site.command("check", self.site.ini), 78, "site.ini:")

    def test_check_names_the_default_file(self):
        environment = {**clean_environment(), "TLSGRAFT_CONFIG": str(self.site.ini)}
        done = subprocess.run([self.site.cli, "check"], capture_output=True, text=True, check=False, env=environment)
        self.assert_exit(done, 0, "[server] mutual")

    def test_check_json(self):
        done = self.site.command("check", "--json", self.site.ini)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = json.loads(done.stdout)
        self.assertEqual((found["verdict"], found["errors"], found["warnings"]), ("good", [], []))
        section = found["sections"][0]
        self.assertEqual((section["name"], section["mode"], section["cas"]), ("server", "mutual", 1))
        self.site.write(server="colour = red\nshape = round")
        done = self.site.command("check", "--json", self.site.ini)
        self.assertEqual((done.returncode, done.stderr), (78, ""))
        found = json.loads(done.stdout)
        self.assertEqual((found["verdict"], len(found["errors"]), found["sections"]), ("unusable", 2, []))

    def test_check_of_plaintext_servers(self):
        ini = self.speaking("engine = direct", "accept_plaintext = yes", "plaintext_wait = 250", "proxy_protocol = v2")
        self.assert_exit(
            self.site.command("check", ini), 0, "[listener plain] mutual on 127.0.0.1:1", "engine direct, handshakes within 10 s",
            "PROXY protocol header, v2", "clients are let in without TLS", "who says nothing for 250 ms",
        )
        section = json.loads(self.site.command("check", "--json", ini).stdout)["sections"][1]
        self.assertEqual(section["server_speaks"], "plaintext")
        self.assertEqual(
            section["plaintext"],
            {"engine": "direct", "accept_plaintext": "yes", "plaintext_wait": 250, "handshake_timeout": 10, "proxy_protocol": "v2"},
        )
        self.assertEqual((section["alpn"], section["alpn_required"]), ([], "no"))
        agreeing = self.speaking("alpn = h2, http/1.1", "alpn_required = yes")
        self.assert_exit(self.site.command("check", agreeing), 0, "protocols agreed on (ALPN): h2, http/1.1; who offers none of them is refused")
        self.assertEqual(json.loads(self.site.command("check", "--json", agreeing).stdout)["sections"][1]["alpn"], ["h2", "http/1.1"])
        done = self.site.command("check", self.speaking())
        self.assert_exit(done, 0, "TLS is spoken for it, engine auto", "no protocol is agreed on (ALPN)", "clients need 'alpn = h2'")
        self.assertEqual(done.stderr, "")
        self.assertNotIn("let in", done.stdout)
        self.assert_exit(self.site.command("check", self.speaking("mode = off")), 0, "passed through")
        self.assertNotIn("plaintext", self.site.command("check", "--json", self.site.ini).stdout)

    def test_check_and_run_say_the_same(self):
        self.site.write(server="colour = red\nverify_depth = many")
        check = self.site.command("check", self.site.ini)
        run = self.site.run(PYTHON, "-c", "1")
        self.assertEqual(check.stderr, run.stderr)

    # status

    def connect(self, port, with_certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.site.certs / "ca.pem")
        context.check_hostname = False
        if with_certificate:
            context.load_cert_chain(self.site.certs / "client.pem", self.site.certs / "client.key")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as plain, context.wrap_socket(plain) as wrapped:
                return wrapped.recv(100)
        except OSError:
            return b""

    def test_status_counts(self):
        server = self.site.start()
        self.assertEqual(self.connect(int(server.said), True), b"hello")
        self.assertEqual(self.connect(int(server.said), False), b"")
        section = wait_until(
            lambda: next((s for s in self.site.status(server.pid)["sections"] if s["handshakes"]["refused"]), None), 5, "counters"
        )
        self.assertEqual(section["handshakes"]["accepted"], 1)
        self.assertEqual(section["refused_by"]["no_certificate"], 1)
        self.assertEqual(
            list(section),
            ["name", "listen", "mode", "server_speaks", "certificates", "handshakes", "refused_by"],
        )
        self.assert_exit(self.site.command("status", server.pid), 0, "1 accepted", "no_certificate 1")

    def test_status_of_a_plaintext_listener(self):
        self.site.ini.write_text(self.speaking("accept_plaintext = yes").read_text())
        server = self.site.start()
        sections = self.site.status(server.pid)["sections"]
        self.assertEqual([section["server_speaks"] for section in sections], ["tls", "plaintext"])
        self.assertNotIn("plaintext", sections[0])
        self.assertEqual(
            sections[1]["plaintext"],
            {"engine": "auto", "accept_plaintext": "yes", "clients": 0, "last": None, "direct": 0, "relayed": 0, "closed": 0,
             "timed_out": 0, "needs_relay": False},
        )
        self.assert_exit(self.site.command("status", server.pid), 0, "engine auto: 0 connections direct", "accepted too, 0 so far")
        self.assert_exit(self.site.command("doctor", server.pid), 1, "[listener plain] lets clients in without TLS")
        # nothing but what the server speaks is settled at the start
        self.site.ini.write_text(self.speaking("engine = relay").read_text())
        self.assert_exit(self.site.command("reload", server.pid), 0, "accept_plaintext no", "engine relay")
        self.site.ini.write_text(self.speaking().read_text().replace("127.0.0.1:1", "127.0.0.1:2"))
        self.assert_exit(self.site.command("reload", server.pid), 1, "refused", "'127.0.0.1:2': server_speaks was tls there")
        self.site.ini.write_text(self.speaking().read_text().replace("server_speaks", ";"))
        self.assert_exit(self.site.command("reload", server.pid), 1, "refused", "server_speaks was plaintext there")
        self.assertEqual(self.site.status(server.pid)["generation"], 2)

    def test_status_of_two_trees(self):
        first, second = self.site.start(), self.site.start()
        done = self.site.command("status", "--json", first.pid, second.pid, first.pid)
        self.assertEqual(len(json.loads(done.stdout)), 2)
        everything = json.loads(self.site.command("status", "--json").stdout)
        mine = [tree for tree in everything if tree["config"] == str(self.site.ini)]
        self.assertEqual(len(mine), 2)
        done = self.site.command("status", "--json", first.pid, os.getpid())
        self.assertEqual((done.returncode, len(json.loads(done.stdout))), (2, 1))

    def test_ungoverned_and_unmatched(self):
        """A [listener] on a port where nobody listens shows after ten seconds, and not before."""
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            free = other.getsockname()[1]
        self.site.ini.write_text(
            f"[listener here]\nlisten = 127.0.0.1:{free}\nmode = mutual\n"
            "cert = certs/server.pem\nkey = certs/server.key\nca = certs/ca.pem\n"
        )
        server = self.site.start()
        began = time.monotonic()
        self.connect(int(server.said), False)
        tree = self.site.status(server.pid)
        self.assertEqual(tree["unmatched_sections"], [])
        self.assertEqual(tree["sections"][0]["listen"], [f"127.0.0.1:{free}"])
        self.assertEqual([one["listen"] for one in tree["ungoverned"]], [f"127.0.0.1:{server.said}"])
        wait_until(lambda: self.site.status(server.pid)["unmatched_sections"] == ["listener here"], 15, "unmatched")
        self.assertGreater(time.monotonic() - began, 9)
        self.assert_exit(self.site.command("status", server.pid), 1, "[listener here] matches no listening socket")

    def test_matched(self):
        """By then only the one beside it, on whose port nobody listens, is named."""
        keys = "mode = mutual\ncert = certs/server.pem\nkey = certs/server.key\nca = certs/ca.pem\n"
        self.site.ini.write_text(f"[listener any]\nlisten = *:1\n{keys}[listener other]\nlisten = *:2\n{keys}")
        server = self.site.start()
        text = self.site.ini.read_text().replace("*:1", f"0.0.0.0:{server.said}")
        self.site.ini.write_text(text)
        self.assert_exit(self.site.command("reload", server.pid), 0)
        wait_until(lambda: self.site.status(server.pid)["unmatched_sections"], 15, "unmatched")
        self.assertEqual(self.site.status(server.pid)["unmatched_sections"], ["listener other"])
