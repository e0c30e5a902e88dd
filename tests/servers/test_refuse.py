# SPDX-License-Identifier: Apache-2.0
"""`tlsgraft run` says no where the graft cannot hold, and nothing is left running where it did not take."""

import os
import shutil
import subprocess
import time

from support import procs
from support.build import compiled
from support.case import ServerCase

from servers.nginx import Nginx
from servers.python_ssl import PythonSsl


class Refuse(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        self.config = self.ini({"server": self.mutual(self.injected)})

    def run_command(self, *command, ini=None, graft=None, timeout=10):
        words = [*(graft or self.graft).run(ini or self.config), *command]
        return subprocess.run(
            [str(word) for word in words], capture_output=True, text=True, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL, env={**os.environ, **self.graft.environment()},
        )

    def assert_cannot(self, program, *reasons, arguments=()):
        done = self.run_command(program, *arguments)
        self.assertEqual(done.returncode, 126, f"{done.stdout}{done.stderr}")
        said = done.stderr.lower()
        self.assertTrue(any(reason in said for reason in reasons), f"{reasons} in {done.stderr!r}")
        self.assertTrue(done.stderr.startswith("tlsgraft: "), done.stderr)
        self.assertEqual(done.stdout, "", "the program ran")
        return done

    def copy_of(self, program, name):
        target = self.home / name
        shutil.copyfile(program, target)
        target.chmod(0o755)
        return target

    SAYS = '#include <stdio.h>\nint main(void) { puts("ran"); return 0; }\n'
    USES_SSL = (
        "#include <openssl/ssl.h>\n#include <stdio.h>\n"
        'int main(void) { puts("ran"); return SSL_CTX_new(TLS_method()) == NULL; }\n'
    )

    def test_static(self):
        self.assert_cannot(compiled(self.SAYS, "-static", name="static"), "static")

    def test_static_pie(self):
        self.assert_cannot(compiled(self.SAYS, "-static-pie", name="static-pie"), "static")

    def test_set_user_id(self):
        program = self.copy_of(compiled(self.USES_SSL, "-lssl", "-lcrypto", name="with-ssl"), "set-user-id")
        program.chmod(0o4755)
        self.assert_cannot(program, "set-user-id", "setuid", "set-uid")

    def test_set_group_id(self):
        program = self.copy_of(compiled(self.USES_SSL, "-lssl", "-lcrypto", name="with-ssl"), "set-group-id")
        os.chown(program, 0, 65534)
        program.chmod(0o2755)
        self.assert_cannot(program, "set-group-id", "setgid", "set-user-id", "set-gid")

    def test_file_capabilities(self):
        program = self.copy_of(compiled(self.USES_SSL, "-lssl", "-lcrypto", name="with-ssl"), "with-capabilities")
        subprocess.run(["setcap", "cap_net_bind_service=ep", program], check=True)
        self.assert_cannot(program, "capabilit")

    def test_no_libssl_and_no_way_to_get_it(self):
        self.assert_cannot(compiled(self.SAYS, name="plain"), "libssl")

    def test_a_script_is_judged_by_its_interpreter(self):
        script = self.home / "script"
        script.write_text(f"#!{compiled(self.SAYS, '-static', name='static')}\n")
        script.chmod(0o755)
        self.assert_cannot(script, "static")

    def test_a_program_that_can_be_grafted_runs(self):
        done = self.run_command(compiled(self.USES_SSL, "-lssl", "-lcrypto", name="with-ssl"))
        self.assertEqual((done.returncode, done.stdout), (0, "ran\n"), done.stderr)

    def test_status_and_arguments_are_the_commands_own(self):
        done = self.run_command("/bin/sh", "-c", 'echo "$0 $1"; exit 42', "a", "b c")
        self.assertEqual((done.returncode, done.stdout), (42, "a b c\n"), done.stderr)

    def test_no_such_command(self):
        self.assertEqual(self.run_command("/no/such/program").returncode, 127)
        self.assertEqual(self.run_command("tlsgraft-no-such-program").returncode, 127)

    def test_bad_file(self):
        ini = self.ini({"server": self.mutual(self.injected, mode="strict")}, "bad.ini")
        done = self.run_command("/usr/sbin/nginx", "-v", ini=ini)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("bad.ini:2:", done.stderr)

    def test_usage(self):
        done = self.graft.command("run", "--no-such-option")
        self.assertEqual(done.returncode, 64)

    # a shim that is not there, or is of no use

    def installed(self):
        return self.graft.copy_to(self.home / "installed")

    def assert_nothing_runs(self, graft, server, wrap=None):
        server.start(wrap=wrap or graft.run(self.config), environment=self.graft.environment(), wait=False)
        end = time.monotonic() + 6
        while server.process.poll() is None and time.monotonic() < end:
            if procs.accepts(server.port):
                answer = self.probe(server)
                self.assertEqual(answer.data, b"", "it served without the shim")
            time.sleep(0.02)
        self.assertIsNotNone(server.process.poll(), "left running")
        self.assertNotEqual(server.process.returncode, 0)
        self.assertEqual(server.workers(), [])
        said = server.output.read_text()
        self.assertIn("tlsgraft: ", said)
        self.assertFalse(procs.accepts(server.port))
        return server.process.returncode, said

    def test_shim_removed(self):
        graft = self.installed()
        graft.shim.unlink()
        self.assert_nothing_runs(graft, self.make(Nginx))

    def test_shim_empty(self):
        graft = self.installed()
        graft.shim.write_bytes(b"")
        self.assert_nothing_runs(graft, self.make(Nginx))

    def test_shim_unreadable(self):
        """For the user who starts: root reads everything."""
        graft = self.installed()
        graft.shim.chmod(0o600)
        server = self.make(PythonSsl)
        for path in [self.home, *self.home.rglob("*")]:
            if path != graft.shim:
                os.chown(path, 65534, 65534)
        wrap = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *graft.run(self.config)]
        self.assert_nothing_runs(graft, server, wrap)

    def test_a_launcher_that_cleans_the_environment(self):
        """env -i: the shim is put back for the program that it starts."""
        server = self.make(Nginx)
        wrap = [*self.graft.run(self.config), "/usr/bin/env", "-i"]
        server.start(wrap=wrap, environment=self.graft.environment())
        self.assert_refused(self.probe(server), self.injected)
        self.assert_served(server, self.probe(server, who=self.pki.clients["good"]), self.injected)
