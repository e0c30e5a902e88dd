# SPDX-License-Identifier: Apache-2.0
"""The shim in its process, apart from TLS: starts, children, signals, libraries, descriptors."""

import json
import os
import signal
import subprocess
from pathlib import Path

from support import procs
from support.build import compiled
from support.case import ServerCase
from support.client import VERSIONS
from support.server import HttpServer

FUNCTIONS = ("execve", "execve-nothing", "execvpe", "execle", "fexecve", "execveat", "posix_spawn", "posix_spawnp", "vfork",
             "execv", "execvp", "execl", "execlp")
PYTHON = "/usr/bin/python3"
HAS_POLICY = "print('tlsgraft-policy' in open('/proc/self/maps').read())"
NOBODY = 65534


def source(name):
    """The text of a program, to be compiled once more as something else."""
    return (Path(__file__).resolve().parent.parent / "support" / "shim" / name).read_text()


def variables(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class ProcessCase(ServerCase):
    def setUp(self):
        super().setUp()
        self.policy = {"server": self.mutual(self.pki.server("rsa"))}

    def site(self, **settings):
        return self.ini({"tlsgraft": {"log": self.home / "log", **settings}, **self.policy})

    def start(self, command, ini, drop=(), **options):
        """Started by hand; its environment holds PATH and the preload alone."""
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", **self.graft.preload(ini)}
        for name in drop:
            del environment[name]
        environment.update(options.pop("extra", {}))
        return subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, timeout=30,
                              check=False, stdin=subprocess.DEVNULL, **options)


class Start(ProcessCase):
    def test_a_start_by_hand_leaves_no_trace(self):
        """No child, descriptor, pending signal or changed mask, also where SIGCHLD is ignored or blocked."""
        code = (
            "import os, signal, json\n"
            "try: os.waitpid(-1, os.WNOHANG); children = True\n"
            "except ChildProcessError: children = False\n"
            "print(json.dumps([children, sorted(map(int, os.listdir('/proc/self/fd'))), sorted(signal.sigpending()),\n"
            "    sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), int(signal.getsignal(signal.SIGCHLD)),\n"
            "    os.getcwd(), 'tlsgraft-policy' in open('/proc/self/maps').read()]))\n"
        )

        def ignore():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        def block():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])

        for prepare, mask, disposition in ((None, [], 0), (ignore, [], 1), (block, [int(signal.SIGCHLD)], 0)):
            with self.subTest(prepare=prepare and prepare.__name__):
                done = self.start([PYTHON, "-I", "-c", code], self.site(), preexec_fn=prepare)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                # descriptor 3 is what lists the folder
                self.assertEqual(json.loads(done.stdout), [False, [0, 1, 2, 3], [], mask, disposition, os.getcwd(), True])

    def test_started_without_standard_descriptors(self):
        code = "import os\nos.write(9, repr(sorted(map(int, os.listdir('/proc/self/fd')))).encode())\n"
        reader, writer = os.pipe()
        with open(reader) as answer:
            done = subprocess.run(
                ["/bin/bash", "-c", f'exec 9>&{writer} {writer}>&- 0<&- 1>&- 2>&-; exec "$@"', "sh",
                 PYTHON, "-I", "-S", "-c", code],
                env={**os.environ, **self.graft.preload(self.site())}, pass_fds=[writer], check=False, timeout=30,
            )
            os.close(writer)
            text = answer.read()
        self.assertEqual(done.returncode, 0)
        # Python opens /dev/null for the three; none of the shim's is among the others
        self.assertLess(set(json.loads(text)) - {9}, {0, 1, 2, 3, 4})

    def test_a_bad_file_ends_the_start_with_78(self):
        ini = self.ini({"server": {"mode": "mutual", "wrong": "key"}})
        done = self.start([PYTHON, "-c", "print('ran')"], ini)
        self.assertEqual((done.returncode, done.stdout), (78, ""))
        self.assertIn("site.ini:", done.stderr)
        self.assertIn("wrong", done.stderr)

    def test_a_relative_file_is_absolute_for_children(self):
        self.site()
        code = "import os; os.chdir('/'); os.execv('/usr/bin/env', ['env'])"
        done = self.start([PYTHON, "-c", code], "site.ini", cwd=self.home)
        seen = variables(done.stdout)
        self.assertEqual(seen.get("TLSGRAFT_CONFIG"), str(self.home / "site.ini"), done.stderr)
        self.assertRegex(seen.get("TLSGRAFT_KEEPER", ""), "^[0-9a-f]{16}$")

    def test_exe_names_who_is_concerned(self):
        for exe, concerned in ((PYTHON, "True"), (["/bin/sh", os.path.realpath(PYTHON)], "True"), ("/bin/sh", "False")):
            with self.subTest(exe=exe):
                done = self.start([PYTHON, "-c", HAS_POLICY], self.site(exe=exe))
                self.assertEqual((done.returncode, done.stdout.strip(), done.stderr), (0, concerned, ""))

    def test_another_users_child_is_closed_and_says_so(self):
        code = f"import os, sys; os.setgroups([]); os.setuid({NOBODY}); os.execv(sys.argv[1], sys.argv[1:])"
        done = self.start([PYTHON, "-c", code, PYTHON, "-c", HAS_POLICY], self.site())
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "False"))
        self.assertIn(f"user {NOBODY} may not have the policy", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_a_child_of_a_dead_tree_starts_a_new_one_or_is_closed(self):
        # the tree is told to what it executes; its own environment stays as it was given
        inner = (
            "import os, subprocess as s; "
            "print(s.run(['/usr/bin/printenv', 'TLSGRAFT_KEEPER'], capture_output=True, text=True).stdout.strip(), "
            "'tlsgraft-policy' in open('/proc/self/maps').read())"
        )
        gone = {"TLSGRAFT_KEEPER": "0123456789abcdef"}
        done = self.start([PYTHON, "-c", inner], self.site(), extra=gone)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, "^(?!0123456789abcdef)[0-9a-f]{16} True$")
        done = self.start([PYTHON, "-c", inner], self.home / "missing.ini", extra=gone)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "0123456789abcdef False"), done.stderr)
        self.assertIn("TLS server handshakes of python3 fail", done.stderr)


    def test_exe_may_name_a_script(self):
        """Started as a program, or given to its interpreter."""
        script, other = self.home / "served.py", self.home / "other.py"
        for path in (script, other):
            path.write_text(f"#!{PYTHON} -I\n{HAS_POLICY}\n")
            path.chmod(0o755)
        link = self.home / "link.py"
        link.symlink_to(script)
        for command, concerned in (
            ([script], "True"), ([link], "True"), (["./served.py"], "True"), ([PYTHON, script], "True"),
            ([PYTHON, "-B", "-s", "served.py", "argument"], "True"), ([other], "False"), ([PYTHON, other, script], "False"),
            ([other, script], "False"), ([PYTHON, "-c", HAS_POLICY], "False"),
        ):
            with self.subTest(command=command):
                done = self.start(command, self.site(exe=script), cwd=self.home)
                self.assertEqual((done.returncode, done.stdout.strip(), done.stderr), (0, concerned, ""))


class PluginHost(HttpServer):
    """A program that neither maps libssl nor imports listen until it opens its plugin."""

    name = "plugin"
    hosts = 1
    inside = False  # goes into a root of its own and becomes nobody before it makes a context

    @property
    def executable(self):
        return compiled("shim/plugin.c")

    @staticmethod
    def plugin():
        return compiled(source("plugin.c"), "-DPLUGIN", "-shared", "-fPIC", "-lssl", "-lcrypto", name="libplugin.so")

    def configure(self):
        (self.home / "own0.key").chmod(0o644)
        self.home.chmod(0o755)

    def command(self):
        root = [self.home] if self.inside else []
        return [self.executable, self.plugin(), "serve", self.port, "own0.pem", "own0.key", *root]


class InsideHost(PluginHost):
    inside = True


class Latent(ProcessCase):
    """Programs that turn out to serve only after their start."""

    def grafts(self, ini):
        yield "run", {"wrap": self.graft.run(ini), "environment": self.graft.environment()}
        yield "by hand", {"environment": self.graft.preload(ini)}

    def assert_governed(self, server, injected):
        for version in VERSIONS:
            self.assert_refused(self.probe(server, version), injected)
            self.assert_refused(self.probe(server, version, self.pki.clients["wrong CA"]), injected)
            self.assert_served(server, self.probe(server, version, self.pki.clients["good"]), injected)

    def test_a_server_that_is_opened_late(self):
        for how, options in self.grafts(self.site()):
            with self.subTest(how=how):
                server = self.make(PluginHost)
                server.start(**options)
                self.assert_governed(server, self.pki.server("rsa"))
                self.assertEqual([one["pid"] for one in self.graft.status(server.pid)["processes"]], [server.pid])
                server.stop()

    def test_the_same_without_the_shim(self):
        server = self.make(PluginHost)
        server.start()
        for version in VERSIONS:
            self.assert_served(server, self.probe(server, version), server.own[0])

    def test_after_a_change_of_root_and_user(self):
        """What `run` started has its policy by then; by hand there is no way to one any more."""
        for how, options in self.grafts(self.site()):
            with self.subTest(how=how):
                server = self.make(InsideHost)
                server.start(**options)
                self.assertEqual(set(procs.user_ids(server.pid)), {NOBODY})
                if how == "run":
                    self.assert_governed(server, self.pki.server("rsa"))
                else:
                    self.assert_refused(self.probe(server, who=self.pki.clients["good"]))
                    self.assertIn("TLS server handshakes of plugin fail", server.logs())
                server.stop()

    def test_a_bad_file_closes_it(self):
        """No exit once main runs: handshakes fail, and the reason is said."""
        server = self.make(PluginHost)
        server.start(environment=self.graft.preload(self.ini({"server": {"mode": "mutual", "wrong": "key"}})))
        for version in VERSIONS:
            self.assert_refused(self.probe(server, version, self.pki.clients["good"]))
        self.assertIn("wrong", server.logs())
        self.assertIn("no policy (the file is bad): TLS server handshakes of plugin fail", server.logs())

    def contexts(self, role, count, ini):
        done = self.start([compiled("shim/plugin.c"), PluginHost.plugin(), "contexts", role, count], ini)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_a_client_starts_no_keeper(self):
        nothing = "masks 0 descriptors 0 children 0\n"
        self.assertEqual(self.contexts("client", 4, self.site()), f"made 4 policy 0 {nothing}")
        self.assertFalse((self.home / "log").exists())
        self.assertEqual(self.contexts("client", 1, self.home / "missing.ini"), f"made 1 policy 0 {nothing}")
        self.assertEqual(self.contexts("server", 1, self.site()), f"made 1 policy 1 {nothing}")
        self.assertTrue((self.home / "log").exists())

    def test_threads_decide_once(self):
        ini = self.site()
        for _ in range(5):
            (self.home / "log").unlink(missing_ok=True)
            made = self.contexts("server", 16, ini)
            self.assertEqual(made, "made 16 policy 1 masks 0 descriptors 0 children 0\n")
            self.assertEqual((self.home / "log").read_text().count("generation 1"), 1)

    def test_threads_that_come_before_the_constructor_wait(self):
        library = compiled(source("early.c"), "-DEARLY", "-shared", "-fPIC", "-lssl", "-lcrypto", name="libearly.so")
        program = compiled("shim/early.c", library, f"-Wl,-rpath,{library.parent}")
        for _ in range(20):
            done = self.start([program], self.site())
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "1\n", ""))

    def test_exe_decides(self):
        host = os.path.realpath(compiled("shim/plugin.c"))
        for exe, policies in ((host, 1), ("/bin/sh", 0)):
            with self.subTest(exe=exe):
                self.assertIn(f"made 2 policy {policies} ", self.contexts("server", 2, self.site(exe=exe)))


class Forks(ProcessCase):
    def test_handlers_of_the_server_may_free_connections(self):
        program = compiled("shim/forks.c", "-lssl", "-lcrypto")
        done = self.start([program], self.site())
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "done\n", ""))

    def test_a_fork_before_libssl_is_there(self):
        code = "import os\nchild = os.fork()\nimport ssl\nssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n" \
               "if child: print(os.waitpid(child, 0)[1])\n"
        done = self.start([PYTHON, "-c", code], self.site())
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "0\n", ""))


class Children(ProcessCase):
    def starts(self):
        return compiled("shim/starts.c")

    def test_every_way_to_start_a_program_carries_the_shim_on(self):
        ini = self.site()
        for function in FUNCTIONS:
            with self.subTest(function=function):
                done = self.start([self.starts(), function, "/usr/bin/env"], ini)
                seen = variables(done.stdout)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(seen.pop("LD_PRELOAD", None), str(self.graft.shim), done.stdout)
                self.assertEqual(seen.pop("TLSGRAFT_CONFIG", None), str(ini))
                self.assertRegex(seen.pop("TLSGRAFT_KEEPER", ""), "^[0-9a-f]{16}$")
                self.assertEqual(seen, {} if function == "execve-nothing" else {"A": "b"})

    def test_arguments_arrive(self):
        for function in FUNCTIONS:
            with self.subTest(function=function):
                done = self.start([self.starts(), function, "/bin/echo", "one", "two words"], self.site())
                self.assertEqual(done.stdout, "one two words\n", done.stderr)

    def test_a_failure_is_the_callers(self):
        for function in FUNCTIONS:
            with self.subTest(function=function):
                done = self.start([self.starts(), function, "/no/such/program"], self.site())
                if function != "vfork":
                    wanted = "Invalid argument" if function == "fexecve" else "No such file or directory"
                    self.assertEqual((done.returncode, done.stderr), (126, f"{function}: {wanted}\n"))
                else:
                    self.assertEqual((done.returncode, done.stderr), (127, ""))

    def test_launchers_pass_the_variables_through_a_cleaned_environment(self):
        """A chain of programs that cannot serve: no keeper, but what they start is reached."""
        ini = self.site()
        done = self.start(["/usr/bin/env", "-i", "/bin/sh", "-c", "exec env -i /usr/bin/env"], ini)
        seen = variables(done.stdout)
        self.assertEqual(seen, {"LD_PRELOAD": str(self.graft.shim), "TLSGRAFT_CONFIG": str(ini)}, done.stderr)
        done = self.start(["/usr/bin/env", "-i", PYTHON, "-c", HAS_POLICY], ini)
        self.assertEqual(done.stdout, "True\n", done.stderr)

    def test_other_preloads_stay(self):
        done = self.start(["/usr/bin/env", "-i", "LD_PRELOAD=libm.so.6", "/usr/bin/env"], self.site())
        self.assertEqual(variables(done.stdout)["LD_PRELOAD"], f"{self.graft.shim}:libm.so.6")

    def test_children_drop(self):
        for function in FUNCTIONS:
            with self.subTest(function=function):
                done = self.start([self.starts(), function, "/usr/bin/env"], self.site(children="drop"))
                self.assertEqual(variables(done.stdout), {} if function == "execve-nothing" else {"A": "b"}, done.stderr)
        done = self.start([PYTHON, "-c", "import os; os.execv('/usr/bin/env', ['env'])"], self.site(children="drop"))
        self.assertEqual(set(variables(done.stdout)) - {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_PRELOAD"}, {"PATH", "LC_ALL"})
        self.assertNotIn("libtlsgraft", done.stdout)

    def test_the_variable_of_run_stays_with_what_it_started(self):
        done = subprocess.run([*map(str, self.graft.run(self.site())), "/bin/sh", "-c", "echo $TLSGRAFT_RUN $$; env; true"],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=30)
        first, _, rest = done.stdout.partition("\n")
        value, pid = first.split()
        self.assertEqual(value, pid)
        self.assertNotIn("TLSGRAFT_RUN", rest)
        self.assertIn("TLSGRAFT_KEEPER", rest)


class Refusal(ProcessCase):
    """`exe` names programs that must not run without the shim: those that it cannot reach are not started."""

    def test_named_programs_that_cannot_be_grafted(self):
        static = compiled("int main(void) { return 0; }", "-static", name="static")
        copies = {}
        for name, mode in (("set-user-ID", 0o4755), ("set-group-ID", 0o2755), ("capabilities", 0o755), ("plain", 0o755)):
            copies[name] = self.home / name
            copies[name].write_bytes(Path("/bin/true").read_bytes())
            copies[name].chmod(mode)
        subprocess.run(["setcap", "cap_net_bind_service+ep", copies["capabilities"]], check=True)
        starts = compiled("shim/starts.c")
        ini = self.site(exe=[PYTHON, os.path.realpath(starts), static, *copies.values()])
        for program, reason in ((static, "statically"), *((copies[name], name) for name in copies)):
            for function in FUNCTIONS:
                with self.subTest(program=program.name, function=function):
                    done = self.start([starts, function, program], ini)
                    if program.name == "plain":
                        self.assertEqual((done.returncode, done.stderr), (0, ""))
                        continue
                    self.assertEqual(done.returncode, 127 if function == "vfork" else 126, done.stderr)
                    self.assertIn(reason, done.stderr)
                    if function != "vfork":
                        self.assertIn(f"{function}: Permission denied\n", done.stderr)

    def test_by_its_name_in_path(self):
        static = compiled("int main(void) { return 0; }", "-static", name="static")
        starts = compiled("shim/starts.c")
        ini = self.site(exe=[os.path.realpath(starts), static])
        for function in ("execvpe", "posix_spawnp"):
            with self.subTest(function=function):
                path = {"PATH": f"{self.home}:{static.parent}:/bin"}
                done = self.start([starts, function, static.name], ini, extra=path)
                self.assertEqual(done.returncode, 126)
                self.assertIn(f"{static.name} is not started: it cannot be grafted, it is linked statically", done.stderr)
                done = self.start([starts, function, "true"], ini, extra=path)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_others_are_started(self):
        static = compiled("int main(void) { return 0; }", "-static", name="static")
        starts = compiled("shim/starts.c")
        done = self.start([starts, "execve", static], self.site(exe=os.path.realpath(starts)))
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Signals(ProcessCase):
    def test_dispositions_are_as_without(self):
        program = compiled("shim/dispositions.c", "-lssl", "-lcrypto")
        for when in ("early", "serve"):
            with self.subTest(when=when):
                plain = subprocess.run([program, when], capture_output=True, text=True, check=True)
                self.assertGreater(plain.stdout.count("\n"), 30)
                grafted = self.start([program, when], self.site())
                self.assertEqual((grafted.returncode, grafted.stderr), (0, ""))
                self.assertEqual(grafted.stdout, plain.stdout)

    def serving(self, body):
        """Python code that makes a server context, its SIGHUP as `body` sets it."""
        return f"import os, signal, ssl, subprocess, sys\n{body}\ncontext = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"

    def reloads(self):
        return (self.home / "log").read_text().count("reload")

    def started(self, code):
        environment = {"PATH": os.environ["PATH"], **self.graft.preload(self.site())}
        process = subprocess.Popen([PYTHON, "-u", "-c", code], env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def test_the_keeper_hears_of_it_and_the_program_goes_on(self):
        for body, answer in (
            ("", ""),
            ("signal.signal(signal.SIGHUP, signal.SIG_IGN)", ""),
            ("signal.signal(signal.SIGHUP, lambda *_: print('own handler'))", "own handler\n"),
        ):
            with self.subTest(body=body):
                (self.home / "log").unlink(missing_ok=True)
                process = self.started(self.serving(body) + "print('ready')\nfor line in sys.stdin: print('alive')\n")
                before = self.reloads()
                process.send_signal(signal.SIGHUP)
                procs.wait_until(lambda: self.reloads() > before, 5, "a reload in the log")
                output = process.communicate("x\n", timeout=10)[0]
                self.assertEqual((process.returncode, output), (0, answer + "alive\n"))

    def test_read_from_a_descriptor(self):
        """A server that blocks the signal and reads it (signalfd): it gets it as before, and the keeper hears of it."""
        program = compiled("shim/descriptor.c", "-lssl", "-lcrypto")
        for way in ("at once", "added later", "opened anew"):
            with self.subTest(way=way):
                (self.home / "log").unlink(missing_ok=True)
                environment = {"PATH": os.environ["PATH"], **self.graft.preload(self.site())}
                process = subprocess.Popen([program, way], env=environment, stdout=subprocess.PIPE, text=True)
                self.addCleanup(process.stdout.close)
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                self.assertEqual(process.stdout.readline(), "ready\n")
                before = self.reloads()
                process.send_signal(signal.SIGHUP)
                self.assertEqual(process.stdout.readline(), f"read {int(signal.SIGHUP)}\n")
                procs.wait_until(lambda: self.reloads() > before, 5, "a reload in the log")

    def test_an_ignored_signal_is_ignored_by_what_is_executed(self):
        shown = "'grep', 'SigIgn', '/proc/self/status'"
        for start in (f"os.execv('/bin/grep', [{shown}])", f"os.waitpid(os.posix_spawn('/bin/grep', [{shown}], {{}}), 0)",
                      f"os.waitpid(os.spawnv(os.P_NOWAIT, '/bin/grep', [{shown}]), 0)", f"subprocess.run([{shown}])"):
            for ignores in (True, False):
                with self.subTest(start=start, ignores=ignores):
                    body = "signal.signal(signal.SIGHUP, signal.SIG_IGN)" if ignores else ""
                    done = self.start([PYTHON, "-c", self.serving(body) + start], self.site())
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(int(done.stdout.split()[1], 16) & 1, int(ignores), done.stdout)

    def test_before_a_server_context_it_ends_the_program(self):
        code = "import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('alive')"
        done = self.start([PYTHON, "-c", code], self.site())
        self.assertEqual((done.returncode, done.stdout), (-signal.SIGHUP, ""))

    def test_other_signals_and_none(self):
        cases = (("USR1", signal.SIGUSR1, False), ("USR1", signal.SIGHUP, True), ("none", signal.SIGHUP, True))
        for name, number, ends in cases:
            with self.subTest(name=name, number=number):
                code = self.serving("") + f"os.kill(os.getpid(), {int(number)}); print('alive')"
                done = self.start([PYTHON, "-c", code], self.site(reload_signal=name))
                self.assertEqual((done.returncode, done.stdout), (-number, "") if ends else (0, "alive\n"))


class Libraries(ProcessCase):
    def test_a_library_finds_its_own_and_is_not_bound_deeply(self):
        program = compiled("shim/loads.c", "-rdynamic")
        source = (Path(__file__).resolve().parent.parent / "support" / "shim" / "loads.c").read_text()
        (self.home / "inner").mkdir()
        for name, options in (("inner/libinner.so", ["-DINNER"]), ("libouter.so", ["-DOUTER", "-Wl,-rpath,$ORIGIN/inner"])):
            command = ["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-xc", "-", "-o", self.home / name, *options]
            subprocess.run(command, input=source, text=True, check=True)
        plain = subprocess.run([program, self.home / "libouter.so"], capture_output=True, text=True, check=True)
        self.assertEqual(plain.stdout, "library inner\n")
        done = self.start([program, self.home / "libouter.so"], self.site())
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "program inner\n", ""))
