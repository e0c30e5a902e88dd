"""Servers that try to undo the policy, and a server of many threads: programs of tests/shim, in one process each."""

import os
import shutil
import subprocess

from support import procs
from support.case import ServerCase


class Hostile(ServerCase):
    under_asan = True

    def folder(self):
        """Certificates by the names that the programs expect."""
        home = self.home / "certs"
        home.mkdir()
        pairs = {
            "client": self.pki.clients["good"],
            "wrong": self.pki.clients["wrong CA"],
            "expired": self.pki.clients["expired"],
            "own": self.pki.own("rsa"),
            "second": self.pki.own("ec"),
        }
        for name, credential in pairs.items():
            shutil.copyfile(credential.cert, home / f"{name}.pem")
            shutil.copyfile(credential.key, home / f"{name}.key")
        shutil.copyfile(self.pki.wrong_ca.cert, home / "wrong-ca.pem")
        return home

    def start(self, name, *words, mode="mutual", sections=None):
        """A program of tests/shim under `tlsgraft run`."""
        ini = self.ini({"server": self.mutual(self.pki.server("rsa"), mode=mode), **(sections or {})})
        command = [*self.graft.run(ini), self.graft.build / "tests" / name, self.folder(), *words]
        return subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **self.graft.environment()},
        )

    def hostile(self, mode, least):
        program = self.start("hostile", mode, mode=mode)
        output = program.communicate(timeout=120)[0]
        self.assertEqual(program.returncode, 0, output)
        self.assertNotIn("FAIL", output)
        self.assertGreater(output.count("\nok "), least, output)

    def test_nothing_undoes_mutual(self):
        self.hostile("mutual", 300)

    def test_nothing_undoes_the_certificate(self):
        self.hostile("server", 60)

    def late(self, rules, ways, **keys):
        """Each way alone (tests/shim/ways_*.c), at the moment when it would count."""
        mode = "mutual" if rules == "mutual" else "server"
        sections = {"server": self.mutual(self.pki.server("rsa"), mode=mode, **keys)}
        program = self.start("late", rules, sections=sections)
        output = program.communicate(timeout=120)[0]
        self.assertEqual(program.returncode, 0, output)
        self.assertRegex(output, rf"(?m)^{ways} ways, [0-9]+ checks, 0 failures$")

    def test_no_way_undoes_mutual(self):
        self.late("mutual", 47)

    def test_no_way_undoes_the_certificate(self):
        self.late("server", 24)

    def test_no_way_undoes_the_protocol(self):
        self.late(
            "floor", 11, security_level=2, groups="P-384", ciphers="ECDHE-RSA-AES256-GCM-SHA384",
            ciphersuites="TLS_AES_256_GCM_SHA384",
        )

    def reuse(self, what, sections, *ports):
        program = self.start("reuse", what, *ports, sections=sections)
        output = program.communicate(timeout=60)[0]
        self.assertEqual(program.returncode, 0, output)
        self.assertNotIn("FAIL", output)
        self.assertGreaterEqual(output.count("ok  "), 3, output)

    def test_another_name_after_a_retry(self):
        self.reuse("retry", {"sni public": {"names": "one.example", "mode": "server"}}, 0, 0)

    def test_one_ssl_for_several_listeners(self):
        off, mutual = procs.free_port(), procs.free_port()
        self.reuse("pool", {"listener off": {"listen": f"127.0.0.1:{off}", "mode": "off"}}, off, mutual)

    def test_threads_while_generations_change(self):
        self.threads(lambda reloads: self.pair(self.pki.server(("rsa", "ec")[reloads % 2], 1)))

    def test_threads_while_live_connections_are_judged_again(self):
        """Each generation has another digest, so every certificate is verified again, and every one is good."""

        def change(reloads):
            keys = self.mutual(self.pki.server("rsa"), recheck="new-generation", verify_depth=8 + reloads % 2)
            self.ini({"server": keys})

        self.threads(change, sections={"server": self.mutual(self.pki.server("rsa"), recheck="new-generation")})

    def threads(self, change, **options):
        program = self.start("threads", 8, 250, **options)
        reloads = 0
        procs.wait_until(lambda: self.graft.status(program.pid) is not None or program.poll() is not None, 10, "the tree")
        while program.poll() is None:
            change(reloads)
            done = self.graft.reload(program.pid)
            if done.returncode != 0:
                break  # the program has ended meanwhile, or the next lines say what was wrong
            reloads += 1
        output = program.communicate(timeout=120)[0]
        self.assertEqual(program.returncode, 0, output)
        self.assertIn("wrong 0", output)
        self.assertGreater(reloads, 3, "too few reloads to mean anything")

    # What threads do wrong is for TSan, which runs it too (tests/run.sh).
    test_threads_while_generations_change.under_asan = False
    test_threads_while_live_connections_are_judged_again.under_asan = False
