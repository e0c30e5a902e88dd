# SPDX-License-Identifier: Apache-2.0
"""Programs that take libssl's functions by dlsym, and programs that only look: both behave."""

import os
import shutil
import subprocess
from pathlib import Path

from support import hostile
from support.build import compiled
from support.case import ServerCase
from support.symbolic import libssl


class Lookup(ServerCase):
    def fetch(self, *words, under=True):
        program = compiled("shim/fetch.c")
        ini = self.ini({"server": self.mutual(self.pki.server("rsa"))})
        command = [program, *words]
        environment = dict(os.environ)
        if under:
            command = [*self.graft.run(ini), *command]
            environment.update(self.graft.environment())
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=30, check=False, env=environment
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip(), done.stderr

    def test_a_program_that_takes_every_function_by_handle(self):
        folder = hostile.certificates(self.pki, self.home / "certs")
        for how in ("serve", "version"):
            with self.subTest(how=how):
                self.assertEqual(self.fetch(how, libssl(), folder, "none", under=False)[0], "served one.example")
                self.assertEqual(self.fetch(how, libssl(), folder, "none")[0].split()[0], "refused")
                self.assertEqual(self.fetch(how, libssl(), folder, "wrong")[0].split()[0], "refused")
                self.assertEqual(self.fetch(how, libssl(), folder, "client")[0], "served injected rsa 0")

    def test_another_libssl_is_mapped_later(self):
        """Its callers would get contexts of the first: none is made any more, and the log says why."""
        other = self.home / "libssl.so.3"
        shutil.copyfile(libssl(), other)
        self.assertEqual(self.fetch("two", libssl(), other, under=False)[0], "1 1 1")
        said, log = self.fetch("two", libssl(), other)
        self.assertEqual(said, "1 0 0")
        self.assertIn("more than one libssl in this process: no TLS context is made", log)

    def asks(self, *preloads, config=None):
        environment = {**os.environ, "LD_PRELOAD": ":".join(map(str, preloads))}
        if config:
            environment["TLSGRAFT_CONFIG"] = str(config)
        done = subprocess.run([self.home / "asks"], capture_output=True, text=True, timeout=30, check=False, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_who_asks_finds_what_it_would_find_alone(self):
        """Also an allocator that looks the real one up at its first call."""
        self.build("libasks.so", "-DLIBRARY", "-shared", "-fPIC")
        self.build("allocator.so", "-DALLOCATOR", "-shared", "-fPIC")
        self.build("asks", "-L", self.home, "-lasks", f"-Wl,-rpath,{self.home}")
        ini = self.ini({"server": self.mutual(self.pki.server("rsa"))})
        alone = self.asks()
        self.assertIn("library, next: the C library", alone)
        self.assertIn("program, next: the library", alone)
        self.assertIn("allocator: none", alone)
        allocator = self.home / "allocator.so"
        used = self.asks(allocator)
        self.assertIn("allocator: used", used)
        for config in (None, ini):
            with self.subTest(config=bool(config)):
                self.assertEqual(self.asks(self.graft.shim, config=config), alone)
                self.assertEqual(self.asks(self.graft.shim, allocator, config=config), used)
                self.assertEqual(self.asks(allocator, self.graft.shim, config=config), used)

    def build(self, name, *options):
        source = Path(__file__).resolve().parent.parent / "support/shim/asks.c"
        command = ["cc", "-D_GNU_SOURCE", "-O1", "-Wall", "-o", self.home / name, source, *options]
        subprocess.run([str(word) for word in command], check=True)
