# SPDX-License-Identifier: Apache-2.0
"""Files that are written while they are read, and what is good only later: waited for, and then served without being asked."""

import importlib
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
