# SPDX-License-Identifier: Apache-2.0
"""Files that are written while they are read, and what is good only later: waited for, and then served without being asked."""

import importlib
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from case import Case
from site_folder import clean_environment, wait_until

sys.path.append(str(Path(__file__).resolve().parent.parent / "config"))
credentials = importlib.import_module("credentials")


def at(seconds):
    """That many seconds from now, as openssl-ca(1) and as the keeper write it."""
    when = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=seconds)
    return when.strftime("%Y%m%d%H%M%SZ"), when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Written(Case):
    def reloading(self, pid):
        process = subprocess.Popen(
            [str(self.site.cli), "reload", str(pid)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=clean_environment(),
        )
        self.site.started.append(process)
        return process

    def verdict(self, pid):
        return self.site.status(pid)["reload"]

    def with_crl(self):
        """A CA of its own with a CRL, beside the first."""
        made = credentials.Credentials(self.site.certs)
        made.root("ca", "Written CA")
        made.leaf("server")
        made.crl("ca.crl")
        self.site.write(server="crl = certs/ca.crl")
        return made

    def test_every_file_half_written(self):
        self.with_crl()
        server = self.site.start()
        generation = self.site.status(server.pid)["generation"]
        for name in ("server.pem", "server.key", "ca.pem", "ca.crl"):
            path = self.site.certs / name
            whole = path.read_bytes()
            for rest in (0, len(whole) // 2):
                with self.subTest(file=name, rest=rest):
                    path.write_bytes(whole[:rest])
                    reload = self.reloading(server.pid)
                    pending = wait_until(lambda: self.verdict(server.pid)["verdict"] == "pending" and self.verdict(server.pid),
                                         2, "pending")
                    self.assertIn(name, pending["reason"])
                    with path.open("ab") as file:
                        file.write(whole[rest:])
                    said = reload.communicate(timeout=10)[0]
                    self.assertEqual(reload.returncode, 0, said)
                    self.assertIn("nothing changed", said)
        self.assertEqual(self.site.status(server.pid)["generation"], generation)
        (self.site.certs / "ca.pem").unlink()
        self.assert_exit(self.site.command("reload", server.pid), 1, "refused", "ca.pem: No such file or directory")

    def test_the_certificate_in_place_of_its_key(self):
        """The key first, then the certificate by one write and another."""
        server = self.site.start()
        fresh = self.site.renewed()
        whole = (fresh / "server.pem").read_bytes()
        self.site.put(fresh, "server.key")
        reload = self.reloading(server.pid)
        wait_until(lambda: "does not match" in self.verdict(server.pid)["reason"], 2, "pending for the certificate")
        (self.site.certs / "server.pem").write_bytes(whole[:300])
        wait_until(lambda: "has no end" in self.verdict(server.pid)["reason"], 2, "pending for the rest of it")
        with (self.site.certs / "server.pem").open("ab") as file:
            file.write(whole[300:])
        said = reload.communicate(timeout=10)[0]
        self.assertEqual(reload.returncode, 0, said)
        self.assertEqual(self.site.status(server.pid)["generation"], 2)

    def two_sections(self):
        """An INI file of which every line's end is a good place to be cut, for the parser."""
        self.site.ini.write_text(
            "[server]\nmode = mutual\ncert = certs/server.pem\nkey = certs/server.key\nca = certs/ca.pem\n"
            "allow = CN:nobody\n[listener other]\nlisten = 127.0.0.1:1\n"
        )
        return self.site.ini.read_bytes()

    def cuts(self, whole):
        """The files that a writer leaves for a moment: nothing, and each that ends with one of the last four lines."""
        lines = whole.splitlines(keepends=True)
        return [b"", *(b"".join(lines[:-count]) for count in range(1, 5))]

    def test_ini_cut_at_the_end_of_a_line(self):
        """In place, as by cp: what is still being written is not judged, however well it reads."""
        whole = self.two_sections()
        server = self.site.start()
        for cut in self.cuts(whole):
            for ask in ("reload", "signal"):
                with self.subTest(cut=cut[-20:], ask=ask), self.site.ini.open("wb", buffering=0) as writer:
                    writer.write(cut)
                    reload = self.reloading(server.pid) if ask == "reload" else None
                    if ask == "signal":
                        os.kill(server.pid, signal.SIGHUP)
                    pending = wait_until(lambda: self.verdict(server.pid)["verdict"] == "pending" and self.verdict(server.pid),
                                         2, "pending")
                    self.assertIn("site.ini: may be half written", pending["reason"])
                    self.assertNotIn(";", pending["reason"])
                    writer.write(whole[len(cut):])
                    writer.close()
                    if reload:
                        said = reload.communicate(timeout=10)[0]
                        self.assertEqual(reload.returncode, 0, said)
                    wait_until(lambda: self.verdict(server.pid)["verdict"] == "accepted", 2, "accepted")
                    self.assertIn("nothing changed", self.verdict(server.pid)["reason"])
        self.assertEqual(self.site.status(server.pid)["generation"], 1)

    def test_ini_that_stays_open(self):
        whole = self.two_sections()
        server = self.site.start()
        with self.site.ini.open("wb", buffering=0) as writer:
            writer.write(self.cuts(whole)[2])
            self.assert_exit(self.site.command("reload", server.pid), 1, "refused", "site.ini: may be half written")
            self.assert_exit(self.site.command("check", self.site.ini), 78, "site.ini: may be half written")
            self.assert_exit(self.site.run("/bin/true"), 78, "site.ini: may be half written")
        self.assertEqual(self.site.status(server.pid)["generation"], 1)
        # whoever was writing is gone: this is the file now, and nothing tells that it is less than was meant
        self.assert_exit(self.site.command("reload", server.pid), 0, "accepted: generation 2")

    def test_watched_ini_in_place(self):
        whole = self.two_sections()
        self.site.ini.write_bytes(whole := b"[tlsgraft]\nwatch = yes\n" + whole)
        server = self.site.start()
        with self.site.ini.open("wb", buffering=0) as writer:
            writer.write(self.cuts(whole)[1])
            wait_until(lambda: self.verdict(server.pid)["verdict"] == "pending", 2, "pending")
            writer.write(whole[len(self.cuts(whole)[1]):])
        wait_until(lambda: self.verdict(server.pid)["verdict"] == "accepted", 2, "accepted")
        self.assertEqual(self.site.status(server.pid)["generation"], 1)

    def test_every_file_that_stays_open(self):
        """Cut just behind a block: a whole file with less in it, if nobody asked who has it open."""
        made = self.with_crl()
        made.root("second", "Second CA")
        made.crl("second.crl", "second")
        for name, more in (("server.pem", "ca.pem"), ("ca.pem", "second.pem"), ("ca.crl", "second.crl")):
            path = self.site.certs / name
            path.write_bytes(path.read_bytes() + (self.site.certs / more).read_bytes())
        server = self.site.start()
        for name in ("ca.pem", "ca.crl", "server.pem"):
            path = self.site.certs / name
            whole = path.read_bytes()
            first = whole[: whole.index(b"-----BEGIN", 1)]
            with self.subTest(file=name), path.open("wb", buffering=0) as writer:
                writer.write(first)
                reload = self.reloading(server.pid)
                wait_until(lambda: f"{name}: may be half written" in self.verdict(server.pid)["reason"], 2, "pending")
                writer.write(whole[len(first):])
                writer.close()
                said = reload.communicate(timeout=10)[0]
                self.assertEqual(reload.returncode, 0, said)
        self.assertEqual(self.site.status(server.pid)["generation"], 1)

    def test_where_the_kernel_does_not_say(self):
        """Leases are for the owner of a file: a keeper of another user waits until nothing changed for a second."""
        whole = self.two_sections()
        os.chown(self.site.certs / "server.key", 65534, 65534)
        server = self.site.start(wrap=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        self.site.ini.write_bytes(self.cuts(whole)[1])
        reload = self.reloading(server.pid)
        wait_until(lambda: "changed less than a second ago" in self.verdict(server.pid)["reason"], 2, "pending")
        self.site.ini.write_bytes(whole)
        said = reload.communicate(timeout=10)[0]
        self.assertEqual(reload.returncode, 0, said)
        self.assertIn("nothing changed", said)

    def test_of_the_future(self):
        made = credentials.Credentials(self.site.certs)
        made.root("ca", "Written CA")
        made.leaf("server")
        for kill_worker in (False, True):
            with self.subTest(kill_worker=kill_worker):
                server = self.site.start()
                began = time.time()
                start, said = at(5)
                made.leaf("server", dates=(start, "20400101000000Z"))
                self.assert_exit(self.site.command("reload", server.pid), 1, "refused", f"not valid before {said}",
                                 f"tried again at {said}")
                self.assert_exit(self.site.command("status", server.pid), 1, f"tried again at {said}")
                if kill_worker:
                    guardian, worker = self.site.keeper(server.pid)
                    subprocess.run(["kill", "-9", str(worker)], check=True)
                wait_until(lambda: self.site.status(server.pid)["generation"] == 2, 15, "served once it is valid")
                self.assertGreaterEqual(time.time(), int(began) + 5)
                self.assertEqual(self.verdict(server.pid)["verdict"], "accepted")
                self.site.said(server, "reload accepted: generation 2")
                self.end(server)

    def test_a_crl_goes_stale(self):
        made = self.with_crl()
        next_update, said = at(6)
        made.crl("ca.crl", "ca", "-crl_lastupdate", at(-24)[0], "-crl_nextupdate", next_update)
        server = self.site.start()
        crl = self.site.status(server.pid)["sections"][0]["crls"]
        self.assertEqual([(one["issuer"], one["next_update"], one["stale"]) for one in crl], [("CN=Written CA", said, False)])
        self.site.said(server, f"the CRL of CN=Written CA goes stale at {said}", 10)
        self.assert_exit(self.site.command("status", server.pid), 1, f"next {said}")
        self.site.said(server, f"the CRL of CN=Written CA is stale, a newer one was due at {said}", 10)
        self.assertEqual(server.errors.read_text().count("is stale"), 1)
        self.assertTrue(self.site.status(server.pid)["sections"][0]["crls"][0]["stale"])
        self.assert_exit(self.site.command("status", server.pid), 1, "STALE")
        made.crl("ca.crl")
        self.assert_exit(self.site.command("reload", server.pid), 0, "crl changed")
        self.assertFalse(self.site.status(server.pid)["sections"][0]["crls"][0]["stale"])
        self.assert_exit(self.site.command("status", server.pid), 0)
