# SPDX-License-Identifier: Apache-2.0
"""Who may read keys, as platforms hand them over; and who gets them, with real users."""

import errno
import grp
import json
import os
import pwd
import re
import subprocess
import unittest

from case import Case
from site_folder import PYTHON, ROOT, children, clean_environment, wait_until

SERVER_USER = pwd.getpwnam("www-data")
OTHER = pwd.getpwnam("daemon")
OTHER_USER = 1001
NOBODY = 65534
REFUSED = str(-errno.EACCES)

# What a container engine does that gives a container 1,000 users and "nobody": the ids as they are, all others unmapped.
NAMESPACE = """
import ctypes, os, sys
ready, mapped = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if ctypes.CDLL(None).unshare(0x10000000) != 0:
        os._exit(99)
    os.write(ready[1], b"x")
    os.read(mapped[0], 1)
    os.setgid(0)
    os.setuid(0)
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(ready[0], 1)
for kind in ("uid_map", "gid_map"):
    open(f"/proc/{child}/{kind}", "w").write("0 0 1000\\n65534 65534 1\\n")
os.write(mapped[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

# Adds each seal to both memories.
SEAL = """
import array, fcntl, socket, struct, sys
asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asked.settimeout(5)
asked.connect("\\0tlsgraft/" + sys.argv[1])
asked.send(struct.pack("III", 0x68637467, int(sys.argv[2]), 1))
rights = array.array("i", asked.recvmsg(64, 1024)[1][0][2])
for fd in rights:
    for seal in (0x10, 0x8, 0x4, 0x2, 0x1):
        try:
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seal)
            print("sealed")
        except OSError as error:
            print(type(error).__name__)
"""
BECOME_NOBODY = "import os, sys; os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])"


class Credentials(Case):
    def setUp(self):
        super().setUp()
        self.folder = self.site.home / "cred"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.key = self.folder / "server.key"
        self.key.write_bytes((self.site.certs / "server.key").read_bytes())
        self.key.chmod(0o400)
        self.use()

    def use(self, top=""):
        self.site.ini.write_text(
            f"[tlsgraft]\n{top}\n[server]\nmode = mutual\ncert = certs/server.pem\nkey = cred/server.key\nca = certs/ca.pem\n"
        )

    def acl(self, *words):
        subprocess.run(["setfacl", *words, self.key], check=True)

    def check(self, *words, user=0, group=0, wrap=()):
        return subprocess.run(
            [*wrap, "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", self.site.cli, "check", *words,
             self.site.ini],
            capture_output=True, text=True, check=False, timeout=30, env=clean_environment(),
        )

    def as_server(self):
        return self.check(user=SERVER_USER.pw_uid, group=SERVER_USER.pw_gid)

    def mounted(self):
        """The folder as a file system of its own that is mounted read-only, for one command."""
        script = (
            f"mount -t tmpfs none {self.site.home}/new && cp -a {self.folder}/. {self.site.home}/new && "
            f"mount -o remount,ro {self.site.home}/new && mount --move {self.site.home}/new {self.folder} && exec \"$@\""
        )
        (self.site.home / "new").mkdir(exist_ok=True)
        return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")

    def test_a_systemd_credential(self):
        """0400 with an ACL for the unit's user, as LoadCredential= makes it."""
        self.acl("-m", f"u:{SERVER_USER.pw_uid}:r")
        self.assertEqual(self.key.stat().st_mode & 0o777, 0o440)
        self.assert_exit(self.as_server(), 0, f"may be read by user {SERVER_USER.pw_uid} of its ACL")
        self.assert_exit(self.check(), 78, f"user {SERVER_USER.pw_uid} of its ACL may read", "setfacl -x")
        self.assert_exit(self.check("--user", "www-data"), 0)
        self.use("user = www-data")
        self.assert_exit(self.check(), 0)

    def test_an_acl_for_somebody_else(self):
        self.acl("-m", f"u:{SERVER_USER.pw_uid}:r,u:{OTHER.pw_uid}:r")
        self.assert_exit(self.as_server(), 78, f"user {OTHER.pw_uid} of its ACL may read")
        self.acl("-m", "m::-")
        self.key.chmod(0o400)
        self.assert_exit(self.check(), 0)

    def test_a_group(self):
        """root's, and readable by the server's group, as fsGroup makes it."""
        os.chown(self.key, 0, SERVER_USER.pw_gid)
        self.key.chmod(0o440)
        self.assert_exit(self.as_server(), 0, f"may be read by group {SERVER_USER.pw_gid}")
        self.assert_exit(self.check(), 78, "(mode 0440): chmod 600")
        self.assert_exit(self.check("--user", "www-data"), 0)
        os.chown(self.key, 0, grp.getgrnam("shadow").gr_gid)
        self.assert_exit(self.check("--user", "www-data"), 78)

    def test_a_read_only_mount(self):
        """Whoever made the mount said who reads; no chmod could be done there."""
        os.chown(self.key, 0, grp.getgrnam("shadow").gr_gid)
        self.key.chmod(0o440)
        self.assert_exit(self.check(), 78)
        self.assert_exit(self.check(wrap=self.mounted()), 0, "on a read-only mount")
        self.key.chmod(0o444)
        done = self.check(wrap=self.mounted())
        self.assert_exit(done, 78, "have what mounts it set mode 0400")
        self.assertNotIn("chmod", done.stderr)

    def test_a_key_of_the_server_s_user(self):
        os.chown(self.key, SERVER_USER.pw_uid, SERVER_USER.pw_gid)
        self.key.chmod(0o600)
        self.assert_exit(self.check(), 78, f"is owned by user {SERVER_USER.pw_uid}", "--user")
        self.assert_exit(self.check("--user", "www-data"), 0, "is owned by user www-data")
        self.use("user = www-data")
        done = self.check("--json")
        self.assert_exit(done, 0)
        self.assertEqual(json.loads(done.stdout)["notes"], ["cred/server.key: is owned by user www-data"])
        self.assert_exit(self.site.run(PYTHON, "-c", "", options=["--user", "daemon"]), 0)
        self.use()
        self.assert_exit(self.site.run(PYTHON, "-c", "", options=["--user", "daemon"]), 78, "is owned by user")
        # a certificate is no secret: who may change it decides what is served
        os.chown(self.site.certs / "server.pem", SERVER_USER.pw_uid, 0)
        self.use("user = www-data")
        self.assert_exit(self.check(), 78, "certs/server.pem: is owned by user")


class Namespaces(Case):
    """A user namespace shows everybody whom it does not map as "nobody"."""

    def ask(self, tree, user):
        """What a process of this user gets that asks for the policy."""
        done = subprocess.run(
            ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", self.site.attach, tree],
            capture_output=True, text=True, check=False, timeout=20,
        )
        return done.stdout.strip()

    def start(self, wrap=()):
        self.site.write(top="user = nobody")
        return self.site.start(wrap=wrap)

    def tree_below(self, server):
        pid = wait_until(lambda: children(server.pid), 5, "the server in its namespace")[0]
        self.site.pids.append(pid)
        return self.site.tree(pid)

    def test_an_unmapped_user_is_not_nobody(self):
        server = self.start(wrap=(PYTHON, "-c", NAMESPACE))
        tree = self.tree_below(server)
        self.assertEqual(self.ask(tree, OTHER_USER), REFUSED)
        self.assertEqual(self.ask(tree, NOBODY), REFUSED)
        self.assertIn("shows everybody whom it does not map", server.errors.read_text())

    def test_elsewhere_nobody_is_nobody(self):
        server = self.start()
        tree = self.site.tree(server.pid)
        self.assertEqual(self.ask(tree, OTHER_USER), REFUSED)
        self.assertEqual(self.ask(tree, NOBODY), "0 1")
        self.assertNotIn("everybody", server.errors.read_text())

    def test_files_of_unmapped_users(self):
        """Of the keeper's own user, as it looks; of anybody, as it is."""
        os.chown(self.site.certs / "server.key", OTHER_USER, OTHER_USER)
        (self.site.certs / "server.key").chmod(0o600)
        command = [PYTHON, "-c", NAMESPACE, PYTHON, "-c", BECOME_NOBODY, self.site.cli, "check", self.site.ini]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=clean_environment())
        self.assert_exit(done, 78)
        os.chown(self.site.certs / "server.pem", OTHER_USER, OTHER_USER)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=clean_environment())
        self.assert_exit(done, 78, "as whom this user namespace shows everybody")

    def test_a_name_taken_by_an_unmapped_user(self):
        """A keeper of the program's own user, to all appearances."""
        code = (
            "import socket, os\n"
            "l = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); l.bind('\\0tlsgraft/00000000000000aa'); l.listen(8)\n"
            "print('up', flush=True)\n"
            "c = l.accept()[0]; print(len(c.recv(64)), flush=True)"
        )
        squatter = subprocess.Popen(
            ["setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups", PYTHON, "-c", code],
            stdout=subprocess.PIPE, text=True,
        )
        self.addCleanup(squatter.communicate)
        self.addCleanup(squatter.kill)
        self.assertEqual(squatter.stdout.readline(), "up\n")
        done = subprocess.run(
            [PYTHON, "-c", NAMESPACE, PYTHON, "-c", BECOME_NOBODY, self.site.attach, "00000000000000aa"],
            capture_output=True, text=True, check=False, timeout=20,
        )
        self.assertIn("-1", done.stdout)  # -EPERM: not a word is said to that one
        self.assertEqual(squatter.stdout.readline(), "0\n")


class Hostile(Case):
    """What a user may try who may hold the keys, and who owns the folder of the log."""

    def as_nobody(self, *words, **more):
        return subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *words],
            capture_output=True, text=True, check=False, timeout=20, **more,
        )

    def test_seals(self):
        """By one of them, programs that start later would find a report memory that they cannot map."""
        self.site.write(top="user = nobody")
        server = self.site.start()
        tree = self.site.tree(server.pid)
        layout = re.search(r"#define TG_LAYOUT (\d+)", (ROOT / "ipc/layout.h").read_text())[1]
        done = self.as_nobody(PYTHON, "-c", SEAL, tree, layout)
        self.assertEqual(done.stdout.split(), ["PermissionError"] * 2 * 5, done.stderr)
        for user in (NOBODY, 0):
            done = subprocess.run(
                ["setpriv", f"--reuid={user}", "--clear-groups", self.site.attach, tree], capture_output=True, text=True, check=False,
            )
            self.assertEqual(done.stdout, "0 1\n")
        keepers = self.site.keeper(server.pid)
        self.end(server, *keepers)

    def test_a_log_in_a_folder_of_the_server_s_user(self):
        folder = self.site.home / "log"
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
        log = folder / "tlsgraft.log"
        secret = self.site.home / "root's"
        for name, make in {
            "a link to where nothing is": ["ln", "-s", secret, log],
            "a link of a folder": ["ln", "-s", self.site.home, folder / "deep"],
            "a file of its own": ["touch", log],
            "a FIFO": ["mkfifo", log],
        }.items():
            with self.subTest(name):
                self.assertEqual(self.as_nobody(*make).returncode, 0)
                deep = folder / "deep" / secret.name
                self.site.write(top=f"user = nobody\nlog = {deep if make[-1] != log else log}")
                server = self.site.start()
                self.assert_exit(self.site.command("reload", server.pid), 0)
                self.assertFalse(secret.exists())
                if log.exists():
                    self.assertEqual(log.stat().st_size, 0)
                log.unlink(missing_ok=True)
                self.end(server)
        self.site.write(top=f"user = nobody\nlog = {log}")
        self.site.start()
        self.assertIn("started: generation 1", log.read_text())
        self.assertEqual(log.stat().st_uid, 0)


if __name__ == "__main__":
    unittest.main()
