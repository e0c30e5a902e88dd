# SPDX-License-Identifier: Apache-2.0
"""How a tree begins and ends."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from case import Case
from site_folder import PYTHON, SERVER, alive, children, clean_environment, kill, shell, wait_until

USES_SSL = "import ssl, time; print('up', flush=True); time.sleep(60)"


class Start(Case):
    def keepers_of(self, ini):
        """Keepers that were started with this file."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == b"tlsgraft-keeper" and words[1] == bytes(ini) and alive(int(entry)):
                found.append(int(entry))
        return found

    def test_serves_and_ends(self):
        server = self.site.start()
        guardian, worker = self.site.keeper(server.pid)
        tree = self.site.status(server.pid)
        self.assertEqual(tree["generation"], 1)
        self.assertEqual(tree["config"], str(self.site.ini))
        self.assertTrue(tree["keeper"]["alive"])
        self.assertEqual(tree["reload"]["verdict"], "accepted")
        self.assertEqual([process["pid"] for process in tree["processes"]], [server.pid])
        self.assertEqual(tree["sections"][0]["name"], "server")
        self.assertEqual(tree["sections"][0]["mode"], "mutual")
        self.assertEqual(tree["sections"][0]["certificates"][0]["key_type"], "EC P-256")
        self.end(server, guardian, worker)

    def test_keeper_left_the_family(self):
        server = self.site.start()
        for pid in self.site.keeper(server.pid):
            self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
            self.assertEqual([os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1)], ["/dev/null"] * 2)
            self.assertNotEqual(os.getsid(pid), os.getsid(server.pid))
            facts = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            self.assertEqual(facts["Umask"], "0077")
            ignored = int(facts["SigIgn"], 16)
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
                self.assertTrue(ignored >> (number - 1) & 1, number)
        self.assertEqual(children(server.pid), [])

    def test_keeper_ignores_what_ends_others(self):
        server = self.site.start()
        keepers = self.site.keeper(server.pid)
        for pid in keepers:
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
                os.kill(pid, number)
        self.assert_exit(self.site.command("reload", server.pid), 0, "nothing changed")
        self.assertEqual(self.site.keeper(server.pid), keepers)

    def test_command_finds_its_surroundings_unchanged(self):
        look = (
            "import os; s = open('/proc/self/status').read().splitlines()\n"
            "print([l for l in s if l[:3] in ('Sig', 'Shd') and l[3] != 'Q' or l.startswith('Umask')], sorted(os.listdir('/proc/self/fd')), os.getcwd())\n"
        )
        plain = subprocess.run([PYTHON, "-c", look], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        grafted = self.site.run(PYTHON, "-c", look)
        self.assertEqual(grafted.stdout, plain.stdout)

    def test_no_child_is_left(self):
        done = self.site.run(PYTHON, "-c", "import os\ntry: os.waitpid(-1, 0)\nexcept ChildProcessError: print('none')")
        self.assert_exit(done, 0)
        self.assertEqual(done.stdout, "none\n")

    def test_sigchld_ignored(self):
        ignore = [PYTHON, "-c", "import os,signal,sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"]
        done = subprocess.run(
            [*ignore, str(self.site.cli), "run", "-c", str(self.site.ini), "--", PYTHON, "-c", "print('ran')"],
            capture_output=True, text=True, check=False, timeout=20, env=clean_environment(), stdin=subprocess.DEVNULL,
        )
        self.assertEqual((done.returncode, done.stdout), (0, "ran\n"), done.stderr)

    def test_started_without_descriptors(self):
        closing = [
            PYTHON, "-c",
            "import os,sys; a = sys.argv; [os.close(fd) for fd in range(3)]; os.execv(a[1], a[1:])",
        ]
        trace = self.site.home / "ran"
        done = subprocess.run(
            [*closing, str(self.site.cli), "run", "-c", str(self.site.ini), "--", PYTHON, "-c", f"open({str(trace)!r}, 'w')"],
            check=False, timeout=20, env=clean_environment(),
        )
        self.assertEqual(done.returncode, 0)
        self.assertTrue(trace.exists())

    def test_bad_file(self):
        self.site.write(server="colour = red")
        done = self.site.run(PYTHON, "-c", "print('ran')")
        self.assert_exit(done, 78, "site.ini:")
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.keepers_of(self.site.ini), [])

    def test_bad_file_reported_by_the_keeper_itself(self):
        self.site.write(server="colour = red")
        ends = os.pipe()
        keeper = self.site.build / "libexec/tlsgraft/tlsgraft-keeper"
        done = subprocess.run([keeper, self.site.ini, str(os.getpid()), str(ends[1])], pass_fds=[ends[1]], check=False, timeout=10)
        os.close(ends[1])
        with os.fdopen(ends[0], "rb") as answer:
            said = answer.read()
        self.assertEqual(done.returncode, 0)
        self.assertEqual(int.from_bytes(said[4:8], "little"), 78)
        self.assertIn(b"tlsgraft: ", said)
        self.assertIn(b"site.ini:", said)
        wait_until(lambda: self.keepers_of(self.site.ini) == [], 3, "no keeper")

    def test_unknown_user(self):
        self.site.write(top="user = nobody-of-that-name")
        self.assert_exit(self.site.run(PYTHON, "-c", "1"), 78, "nobody-of-that-name")
        self.assert_exit(self.site.command("check", self.site.ini), 78, "nobody-of-that-name")

    def test_status_is_the_commands_own(self):
        self.assert_exit(self.site.run(*shell("exit 42")), 42)
        done = self.site.run(*shell("kill -TERM $$"))
        self.assertEqual(done.returncode, -signal.SIGTERM)

    def test_environment(self):
        done = self.site.run(*shell('echo "$LD_PRELOAD|$TLSGRAFT_CONFIG|$TLSGRAFT_RUN|$$"'))
        preload, config, run, pid = done.stdout.strip().split("|")
        self.assertEqual(preload, str((self.site.build / "lib/libtlsgraft.so").resolve()))
        self.assertEqual(config, str(self.site.ini))
        self.assertEqual(run, pid)

    def test_relative_file_and_default(self):
        done = self.site.command("run", "-c", "site.ini", "--", *shell("echo $TLSGRAFT_CONFIG"), cwd=self.site.home)
        self.assertEqual(done.stdout.strip(), str(self.site.ini))

    def test_daemon_keeps_the_tree(self):
        """The started process ends, its child serves on: $(...) returns, and the keeper stays as long as the child."""
        daemon = (
            "import os, ssl, time\nr, w = os.pipe()\n"
            "if os.fork():\n    os.read(r, 1)\n    os._exit(0)\n"
            "os.setsid()\nnull = os.open('/dev/null', os.O_RDWR)\n"
            f"open({str(self.site.home / 'pid')!r}, 'w').write(str(os.getpid()))\n"
            "os.write(w, b'1')\n[os.dup2(null, fd) for fd in range(3)]\ntime.sleep(60)\n"
        )
        began = time.monotonic()
        done = subprocess.run(
            ["/bin/sh", "-c", 'out=$("$@" 2>&1); echo "returned $?"', "sh", str(self.site.cli), "run", "-c", str(self.site.ini), "--",
             PYTHON, "-c", daemon],
            capture_output=True, text=True, check=False, timeout=20, env=clean_environment(), stdin=subprocess.DEVNULL,
        )
        self.assertEqual(done.stdout, "returned 0\n", done.stderr)
        self.assertLess(time.monotonic() - began, 5)
        pid = int((self.site.home / "pid").read_text())
        self.site.pids.append(pid)
        guardian, worker = self.site.keeper(pid)
        time.sleep(2)  # longer than the grace after which a tree without members ends
        self.assertTrue(alive(guardian))
        self.site.renew()
        self.assert_exit(self.site.command("reload", pid), 0, "generation 2")
        self.assertEqual(os.readlink(f"/proc/{guardian}/fd/2"), "/dev/null")
        self.assertEqual(os.readlink(f"/proc/{worker}/fd/2"), "/dev/null")
        kill(pid)
        self.gone(guardian, worker)

    def test_raw_child_keeps_the_tree(self):
        """A forked child that says nothing to anybody still maps the memory."""
        server = self.site.start(
            PYTHON, "-c", "import os, ssl, time\npid = os.fork()\nif pid:\n    print(pid, flush=True)\ntime.sleep(60)"
        )
        child = int(server.said)
        self.site.pids.append(child)
        guardian, worker = self.site.keeper(server.pid)
        kill(server.pid)
        server.wait()
        time.sleep(2)
        self.assertTrue(alive(guardian))
        self.assert_exit(self.site.command("status", child), 0)
        kill(child)
        self.gone(guardian, worker)

    def installed(self):
        root = self.site.home / "installed"
        for name in ("bin/tlsgraft", "lib/libtlsgraft.so", "libexec/tlsgraft/tlsgraft-keeper"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.site.build / name, root / name)
        return root

    def test_no_report_is_the_end(self):
        """The shim vanishes between the check and the start: what runs without it is killed."""
        root = self.installed()
        keeper = root / "libexec/tlsgraft/tlsgraft-keeper"
        keeper.rename(keeper.with_name("real"))
        keeper.write_text(f'#!/bin/sh\nrm {root}/lib/libtlsgraft.so\nexec {keeper.with_name("real")} "$@"\n')
        keeper.chmod(0o755)
        began = time.monotonic()
        server = self.site.start(PYTHON, "-c", USES_SSL, cli=root / "bin/tlsgraft")
        self.assertEqual(server.wait(10), -signal.SIGKILL)
        self.assertGreater(time.monotonic() - began, 1.9)
        self.assertLess(time.monotonic() - began, 4)
        self.site.said(server, "no report from the shim")

    def test_no_shim_no_start(self):
        root = self.installed()
        (root / "lib/libtlsgraft.so").unlink()
        done = subprocess.run(
            [root / "bin/tlsgraft", "run", "-c", self.site.ini, "--", PYTHON, "-c", "print('ran')"], capture_output=True, text=True,
            check=False, timeout=10, env=clean_environment(),
        )
        self.assert_exit(done, 126, "libtlsgraft.so")
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.keepers_of(self.site.ini), [])

    def test_shim_path_that_the_loader_would_split(self):
        root = self.installed()
        odd = self.site.home / "with space"
        root.rename(odd)
        done = subprocess.run(
            [odd / "bin/tlsgraft", "run", "-c", self.site.ini, "--", PYTHON, "-c", "1"], capture_output=True, text=True, check=False,
            timeout=10, env=clean_environment(),
        )
        self.assert_exit(done, 126, "space or colon")

    def test_preloads_of_others_stay(self):
        library = self.site.home / "other.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=b"int tg_test_other;", check=True)
        environment = clean_environment()
        environment["LD_PRELOAD"] = str(library)
        done = subprocess.run(
            [self.site.cli, "run", "-c", self.site.ini, "--", *shell("echo $LD_PRELOAD")], capture_output=True, text=True,
            check=False, timeout=10, env=environment,
        )
        shim = (self.site.build / "lib/libtlsgraft.so").resolve()
        self.assertEqual(done.stdout.strip(), f"{shim}:{library}", done.stderr)

    def test_user(self):
        self.site.certs.joinpath("server.key").chmod(0o600)
        server = self.site.start(PYTHON, "-c", SERVER, options=("--user", "nobody"))
        self.assertEqual(os.stat(f"/proc/{server.pid}").st_uid, 65534)
        guardian, worker = self.site.keeper(server.pid)
        self.assertEqual([os.stat(f"/proc/{pid}").st_uid for pid in (guardian, worker)], [0, 0])
        self.site.renew()
        self.assert_exit(self.site.command("reload", server.pid), 0, "generation 2")
        self.end(server, guardian, worker)

    def test_unknown_user_option(self):
        self.assert_exit(self.site.run(PYTHON, "-c", "1", options=("--user", "nobody-of-that-name")), 64)

    def test_all_as_an_ordinary_user(self):
        for path in [self.site.home, *self.site.home.rglob("*")]:
            os.chown(path, 65534, 65534)
        drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        server = self.site.start(wrap=drop)

        def ask(*words):
            return subprocess.run(
                [*drop, self.site.cli, *map(str, words)], capture_output=True, text=True, check=False, timeout=20,
                env=clean_environment(),
            )

        self.assert_exit(ask("status", server.pid), 0, str(self.site.ini), str(server.pid))
        guardian, worker = self.site.keeper(server.pid)
        for pid in (server.pid, guardian, worker):
            self.assert_exit(ask("reload", pid), 0, "nothing changed")
        self.assertIn(str(self.site.ini), ask("status").stdout)
        self.end(server, guardian, worker)

    def test_users_and_the_policy(self):
        """Root, the keeper's user and users named in the file get the policy; nobody else does."""
        server = self.site.start()
        attach = shutil.copy(self.site.attach, self.site.home / "attach")

        def hello(process, user):
            done = subprocess.run(
                ["setpriv", f"--reuid={user}", "--clear-groups", attach, self.site.tree(process.pid)], capture_output=True, text=True,
                check=False, timeout=10,
            )
            return done.stdout.strip()

        self.assertEqual(hello(server, 0), "0 1")
        self.assertEqual(hello(server, 65534), "-13")
        drop = ["setpriv", "--reuid=65534", "--clear-groups", str(self.site.cli)]
        for command in ("status", "reload"):
            done = subprocess.run([*drop, command, str(server.pid)], capture_output=True, text=True, check=False, timeout=20)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        began = time.monotonic()
        done = subprocess.run([*drop, "status", "--json"], capture_output=True, text=True, check=False, timeout=20)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "[]\n", ""))
        self.assertLess(time.monotonic() - began, 0.5)
        self.site.write(top="user = nobody")
        named = self.site.start()
        self.assertEqual(hello(named, 65534), "0 1")
        self.assertEqual(hello(named, 1), "-13")

    def test_untrusted_processes_do_not_block(self):
        """Connections that say nothing, more than the keeper has places for."""
        server = self.site.start()
        code = (
            "import socket, sys, time\nkept = []\nfor _ in range(100):\n"
            "    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n    s.settimeout(5)\n"
            "    s.connect(b'\\0tlsgraft/' + sys.argv[1].encode())\n    kept.append(s)\n"
            "print('connected', flush=True)\ntime.sleep(60)\n"
        )
        flood = subprocess.Popen(
            ["setpriv", "--reuid=65534", "--clear-groups", PYTHON, "-c", code, self.site.tree(server.pid)], stdout=subprocess.PIPE,
            text=True,
        )
        self.site.started.append(flood)
        self.assertEqual(flood.stdout.readline(), "connected\n")
        began = time.monotonic()
        self.assert_exit(self.site.command("reload", server.pid), 0)
        self.assertLess(time.monotonic() - began, 1)

    def test_network_namespace(self):
        server = self.site.start(PYTHON, "-c", USES_SSL, wrap=("unshare", "--net"))
        self.site.renew()
        self.assert_exit(self.site.command("reload", server.pid), 0, "generation 2")
        # all trees of the machine: the exit status is also that of others
        self.assertIn(str(self.site.ini), self.site.command("status").stdout)
