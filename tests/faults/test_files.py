# SPDX-License-Identifier: Apache-2.0
"""Files that are damaged while a server runs: refused with file and reason, while what was good goes on."""

import contextlib
import importlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from support import procs
from support.procs import wait_until

from faults.case import FaultCase
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl

# The tables of wrong files; "run" is the name of a module here, too.
sys.path.append(str(Path(__file__).resolve().parent.parent / "config"))
credentials = importlib.import_module("credentials")
table = importlib.import_module("table")

NOBODY = 65534
ROOM = 3000  # of a verdict: of very many reasons it holds the first


def _socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        # a socket's path is short, that of a test's folder may not be
        folder = os.open(path.parent, os.O_PATH)
        made.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)


def _huge(path):
    with open(path, "wb") as made:
        made.truncate(1 << 40)


def _cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def replaced(make):
    """A damage that puts something else in the file's place."""

    def damage(path):
        path.unlink()
        make(path)

    return damage


# name: (what is done to a file, words of the reason, or None where they differ from file to file)
DAMAGES = {
    "vanished": (lambda path: path.unlink(), "No such file"),
    "empty": (lambda path: path.write_bytes(b""), None),
    "cut": (_cut, None),
    "a FIFO that nobody writes": (replaced(os.mkfifo), "not a regular file"),
    "a link to /dev/zero": (replaced(lambda path: path.symlink_to("/dev/zero")), "not a regular file"),
    "a link to /dev/full": (replaced(lambda path: path.symlink_to("/dev/full")), "not a regular file"),
    "a folder": (replaced(os.mkdir), "is a folder"),
    "a link to itself": (replaced(lambda path: path.symlink_to(path)), "symbolic links"),
    "a socket": (replaced(_socket), "No such device"),
    "huge": (replaced(_huge), "larger than"),
    "of another user": (lambda path: os.chown(path, NOBODY, -1), "owned by user 65534"),
    "writable by its group": (lambda path: path.chmod(0o664), "0664"),
    "writable by all": (lambda path: path.chmod(0o606), "0606"),
}


class Files(FaultCase):
    def setUp(self):
        super().setUp()
        self.refusals = 0

    def start(self, kind=Nginx, top=None, wrap=()):
        """With every file in a folder of its own."""
        self.folder = self.home / "site"
        self.folder.mkdir(exist_ok=True)
        keys = self.mutual(self.pairs[0], "site/server")
        for name in ("ca", "crl"):
            keys[name] = shutil.copy(keys[name], self.folder / f"{name}.pem")
        self.sections = {"tlsgraft": top or {}, "server": keys}
        ini = self.ini(self.sections, "site/site.ini")
        self.names = ["site.ini", "server.pem", "server.key", "ca.pem", "crl.pem"]
        server = self.make(kind)
        if wrap:
            for path in (self.folder, *self.folder.iterdir(), *server.home.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        return server.start(wrap=[*wrap, *self.graft.run(ini)])

    @contextlib.contextmanager
    def repaired_after(self, server):
        """Everything in the folder as it was; then a reload is accepted again."""
        saved = self.home / "saved"
        shutil.rmtree(saved, ignore_errors=True)
        subprocess.run(["cp", "-a", self.folder, saved], check=True)
        try:
            yield
        finally:
            subprocess.run(["rm", "-rf", self.folder], check=True)
            subprocess.run(["cp", "-a", saved, self.folder], check=True)
        self.assert_reloaded(server)

    def refused(self, server, file, *words, seconds=6.0):
        """By name of the file and reason; the command and `status` say the same; what was good is served."""
        before = self.graft.status(server.pid)["generation"]
        began = time.monotonic()
        self.assert_reload_refused(server, file, *words)
        self.assertLess(time.monotonic() - began, seconds)
        code, tree = self.status_of(server)
        self.assertEqual((code, tree["reload"]["verdict"], tree["generation"]), (1, "refused", before))
        for word in (file, *words):
            self.assertIn(word, tree["reload"]["reason"])
        self.assert_served(server, self.probe(server, who=self.good), self.pairs[0])
        self.refusals += 1

    def test_every_damage_to_every_file(self):
        server = self.start()
        before = self.sizes(self.keepers(server))
        for name in self.names:
            for damage, (do, reason) in DAMAGES.items():
                with self.subTest(file=name, damage=damage), self.repaired_after(server):
                    do(self.folder / name)
                    self.refused(server, name, *([reason] if reason else []))
        self.right_clients_alone(server, self.pairs[0])
        print(f"  {self.refusals} refusals, {len(self.names)} files with {len(DAMAGES)} damages each")
        self.assert_no_growth(before, self.sizes(before), 1024)

    def test_a_fifo_that_somebody_holds_open_and_does_not_write(self):
        server = self.start()
        for name in self.names:
            with self.subTest(file=name), self.repaired_after(server):
                path = self.folder / name
                path.unlink()
                os.mkfifo(path, 0o600)
                writer = os.open(path, os.O_RDWR)
                try:
                    self.refused(server, name, "not a regular file")
                finally:
                    os.close(writer)

    def test_swapped(self):
        server = self.start()
        with self.repaired_after(server):
            # the certificate of one, the key of another: waited for, then refused
            (self.folder / "server.pem").write_bytes(self.pairs[1].cert.read_bytes())
            self.refused(server, "server.key", "does not match")
        with self.repaired_after(server):
            # each in the other's place
            key, cert = self.folder / "server.key", self.folder / "server.pem"
            key.rename(self.folder / "x")
            cert.rename(key)
            (self.folder / "x").rename(cert)
            self.refused(server, "server.pem")
        with self.repaired_after(server):
            (self.folder / "ca.pem").write_bytes((self.folder / "crl.pem").read_bytes())
            self.refused(server, "ca.pem")
        self.right_clients_alone(server, self.pairs[0])

    def test_the_folder(self):
        server = self.start()
        with self.repaired_after(server):
            self.folder.rename(self.home / "elsewhere")
            self.refused(server, "site.ini", "No such file")
        others = {"a file": Path.touch, "a FIFO": os.mkfifo, "a link to itself": lambda path: path.symlink_to(path)}
        for name, make in others.items():
            with self.subTest(folder=name), self.repaired_after(server):
                shutil.rmtree(self.folder)
                make(self.folder)
                self.refused(server, "site.ini")
        self.right_clients_alone(server, self.pairs[0])

    def test_unreadable_for_the_keepers_user(self):
        """A keeper that is not root: modes and owners stand against it."""
        server = self.start(PythonSsl, wrap=("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"))
        for name in ("server.pem", "server.key", "ca.pem"):
            with self.subTest(file=name), self.repaired_after(server):
                (self.folder / name).chmod(0)
                self.refused(server, name, "Permission denied")
        with self.subTest(folder="site"), self.repaired_after(server):
            self.folder.chmod(0)
            self.refused(server, "site.ini", "Permission denied")
            self.folder.chmod(0o755)
        with self.subTest(owner=1), self.repaired_after(server):
            os.chown(self.folder / "server.pem", 1, 1)
            self.refused(server, "server.pem", "owned by user 1,")

    def test_rows_of_the_table_at_a_reload(self):
        """What a start refuses with 78, a reload refuses with the same words."""
        made = self.home / "table"
        made.mkdir()
        before = os.umask(0o022)
        credentials.Credentials(str(made)).make()  # with an umask of its own
        os.umask(before)
        site = made / "site.ini"

        def write(text, mode=0o600):
            site.write_bytes(text)
            site.chmod(mode)

        good = ("\n".join(table.GOOD) + "\n").encode()
        write(good)
        server = self.make(Nginx)
        server.start(wrap=self.graft.run(site))
        served = self.probe(server).chain_sha256
        for row in table.BAD_ROWS:
            write(row.text, row.mode)
            done = self.graft.reload(server.pid)
            said = done.stderr.partition("refused: ")[2].rpartition("; generation 1 goes on")[0]
            with self.subTest(row=row.name):
                self.assertEqual(done.returncode, 1, f"{done.stdout}{done.stderr}")
                if len(said) < ROOM:
                    for words in row.expected:
                        self.assertRegex(said, words.removesuffix(".*"))
        code, tree = self.status_of(server)
        self.assertEqual((code, tree["generation"]), (1, 1))
        self.assertEqual(self.probe(server).chain_sha256, served)
        write(good)
        self.assert_reloaded(server)
        print(f"  {len(table.BAD_ROWS)} rows of the table refused at a reload")

    # disks

    @contextlib.contextmanager
    def small_disk(self, path, size="128k"):
        path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", path], check=True)
        try:
            yield path
        finally:
            subprocess.run(["umount", "-l", path], check=True)

    @staticmethod
    def fill(path):
        with open(path / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)

    def test_disk_of_the_log_is_full(self):
        with self.small_disk(self.home / "disk") as disk:
            log = disk / "keeper.log"
            server = self.start(top={"log": log})
            wait_until(lambda: "started" in log.read_text(), 2, "the first line")
            self.fill(disk)
            while (disk / "filler").stat().st_size and log.stat().st_size % 4096 < 3800:
                self.assert_reloaded(server)
            for number in range(20):
                self.pair(self.pairs[(number + 1) % 2], "site/server")
                self.assert_reloaded(server)
            size = log.stat().st_size
            self.assert_reloaded(server)
            self.assertEqual(log.stat().st_size, size, "the disk is full")
            self.right_clients_alone(server, self.pairs[0])
            self.assertEqual(self.status_of(server)[0], 0)
            (disk / "filler").unlink()
            self.assert_reloaded(server)
            self.assertRegex(log.read_text(), r"warn: \d+ lines of this log were lost")
            self.assertIn("nothing changed", log.read_text().splitlines()[-1])
            server.stop()

    def test_disk_of_the_certificates_is_full(self):
        """A renewal that writes in place leaves half a file or none."""
        with self.small_disk(self.home / "site") as disk:
            server = self.start()
            for name in ("server.pem", "ca.pem", "site.ini"):
                content = (disk / name).read_bytes()
                (disk / name).write_bytes(b"")
                self.fill(disk)
                with contextlib.suppress(OSError), open(disk / name, "wb", buffering=0) as half:
                    half.write(content)
                self.assertEqual((disk / name).read_bytes(), b"")
                self.refused(server, name)
                (disk / "filler").unlink()
                (disk / name).write_bytes(content)
                self.assert_reloaded(server)
            self.right_clients_alone(server, self.pairs[0])
            server.stop()

    # the log

    def test_the_log_becomes_something_else(self):
        """Removed, a folder, a FIFO, a device: the reload is accepted all the same, and a log comes back."""
        log = self.home / "keeper.log"
        server = self.start(top={"log": log})
        for name, make in {
            "removed": lambda: None, "a folder": log.mkdir, "a FIFO": lambda: os.mkfifo(log),
            "a full device": lambda: log.symlink_to("/dev/full"), "a socket": lambda: _socket(log),
            "in a folder that is gone": lambda: None,
        }.items():
            with self.subTest(log=name):
                log.unlink()
                make()
                self.assert_reloaded(server)
                self.assertEqual(self.status_of(server)[0], 0)
                if log.is_dir():
                    log.rmdir()
                elif log.is_symlink() or log.exists():
                    log.unlink()
                self.assert_reloaded(server)
                self.assertIn("nothing changed", log.read_text())
        self.assertTrue(procs.alive(self.family(server)[1]))
