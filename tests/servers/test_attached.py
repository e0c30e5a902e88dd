# SPDX-License-Identifier: Apache-2.0
"""What no section governs behaves as if the shim were not there."""

import os
import re
import signal
import subprocess
from pathlib import Path

from support import procs
from support.case import ServerCase
from support.client import VERSIONS

from servers.everyone import SERVERS
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.several import AsyncioSeveral

HOOKS = Path(__file__).resolve().parent.parent.parent / "shim/binding/hooks.def"
REQUESTS = 20
BYSTANDERS = (["/bin/true"], ["/bin/sh", "-c", "true"], ["/usr/bin/python3", "-I", "-c", "pass"])


class Attached(ServerCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")
        self.good = self.pki.clients["good"]

    # programs that neither serve nor listen

    def trace(self, command, environment, wrap=()):
        """What a program and its children open and start: the lines of strace."""
        log = self.home / f"trace{len(list(self.home.glob('trace*')))}"
        done = subprocess.run(
            [*map(str, wrap), "strace", "-f", "-qq", "-e", "trace=openat,execve,socket,connect", "-o", str(log), *command],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        return log.read_text()

    def assert_untouched(self, log, command):
        opened = "".join(line for line in log.splitlines(True) if "ENOENT" not in line)
        self.assertIn("libtlsgraft.so", opened, "the shim was not in it at all")
        self.assertNotIn("libssl", opened)
        self.assertNotIn("libcrypto", opened)
        self.assertNotIn("tlsgraft-keeper", opened)
        self.assertNotIn("site.ini", opened)
        self.assertNotIn("AF_UNIX", opened)
        self.assertEqual(opened.count("execve("), 1, opened)

    def test_bystanders_without_a_configuration(self):
        for command in BYSTANDERS:
            with self.subTest(command=command[0]):
                self.assert_untouched(self.trace(command, {"LD_PRELOAD": str(self.graft.shim)}), command)

    def test_bystanders_by_hand_with_a_configuration(self):
        """LD_PRELOAD and TLSGRAFT_CONFIG in a unit reach /bin/kill and sh too: no keeper, no file, nothing."""
        ini = self.ini({"server": self.mutual(self.injected)})
        for command in BYSTANDERS[:2]:
            with self.subTest(command=command[0]):
                environment = {"LD_PRELOAD": str(self.graft.shim), "TLSGRAFT_CONFIG": str(ini)}
                self.assert_untouched(self.trace(command, environment), command)

    def test_bystanders_with_a_bad_configuration(self):
        for command in BYSTANDERS[:2]:
            with self.subTest(command=command[0]):
                environment = {"LD_PRELOAD": str(self.graft.shim), "TLSGRAFT_CONFIG": "/no/such/file.ini"}
                self.assert_untouched(self.trace(command, environment), command)

    def test_bystanders_as_children_of_a_grafted_server(self):
        ini = self.ini({"server": self.mutual(self.injected)})
        for command in BYSTANDERS[:2]:
            with self.subTest(command=command[0]):
                log = self.trace(command, self.graft.environment(), self.graft.run(ini))
                # strace itself is the grafted launcher; what it starts is the child
                self.assert_untouched(log, command)

    def test_python_as_a_child_maps_no_libssl(self):
        ini = self.ini({"server": self.mutual(self.injected)})
        command = ["/usr/bin/python3", "-I", "-c", "print(open('/proc/self/maps').read())"]
        done = subprocess.run(
            [*map(str, self.graft.run(ini)), "/bin/sh", "-c", '"$@"; true', "sh", *command], capture_output=True, text=True,
            check=False, env={**os.environ, **self.graft.environment()}, stdin=subprocess.DEVNULL,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("libtlsgraft.so", done.stdout)
        self.assertNotIn("libssl", done.stdout)

    def test_exports_are_the_hook_list(self):
        hooks = set(re.findall(r"^TG_HOOK\(\s*\w+\s*,\s*(\w+)\s*\)", HOOKS.read_text(), re.MULTILINE))
        self.assertGreater(len(hooks), 20)
        listed = subprocess.run(["nm", "-D", "--defined-only", self.graft.shim], capture_output=True, text=True, check=True)
        lines = [line.split() for line in listed.stdout.splitlines()]
        self.assertEqual({words[-1] for words in lines}, hooks)
        self.assertFalse([words for words in lines if "@" in words[-1]], "a version node of our own")

    def test_the_shim_needs_libc_alone(self):
        listed = subprocess.run(["readelf", "-d", self.graft.shim], capture_output=True, text=True, check=True).stdout
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", listed)
        self.assertEqual([name for name in needed if not name.startswith(("libc.so", "ld-linux"))], [])

    # servers that no section governs

    def elsewhere(self):
        """A configuration that names another address than this server's."""
        return self.ini({"listener elsewhere": {"listen": "127.0.0.1:1", **self.mutual(self.injected)}})

    def test_a_server_that_no_section_names(self):
        for kind in SERVERS:
            for native in (None, self.pki):
                if native and kind is Nginx:
                    continue
                server = self.grafted(kind, self.elsewhere(), "ec", native=native)
                for version in VERSIONS:
                    with self.subTest(server=kind.name, version=version, native=bool(native)):
                        who = self.good if native else None
                        first = self.probe(server, version, who)
                        self.assert_served(server, first, server.own[0])
                        self.assertEqual(first.asked, bool(native))
                        if native:
                            self.assert_refused(self.probe(server, version))
                            self.assert_refused(self.probe(server, version, self.pki.clients["wrong CA"]))
                server.stop()

    def test_resumption_of_an_ungoverned_server_is_as_without(self):
        for kind in SERVERS:
            seen = []
            for grafted in (False, True):
                server = self.make(kind)
                if grafted:
                    server.start(wrap=self.graft.run(self.elsewhere()), environment=self.graft.environment())
                else:
                    server.start()
                for version in VERSIONS:
                    session = self.home / f"{kind.name}{version}{grafted}"
                    self.probe(server, version, session_out=session)
                    seen.append(self.probe(server, version, session_in=session).resumed)
                server.stop()
            with self.subTest(server=kind.name):
                self.assertEqual(seen[:2], seen[2:])

    def system_calls(self, server):
        """{call: count} of the process that does the handshakes, for a number of requests."""
        log = self.home / "calls"
        pid = (server.workers() or [server.pid])[-1]
        self.probe(server)  # warm
        tracer = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid), "-o", str(log)], stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()  # "attached"
        for number in range(REQUESTS):
            result = self.probe(server, VERSIONS[number % 2])
            self.assert_served(server, result, server.own[0])
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        tracer.stderr.close()
        calls = {}
        for line in log.read_text().splitlines():
            words = line.split()
            # strace takes its own share of time off, so that a share may come out negative, or be none of nothing
            share = words[0].lstrip("-").replace(".", "") if len(words) >= 5 else ""
            if (share.isdigit() or share == "nan") and words[-1] != "total":
                calls[words[-1]] = int(words[3])
        return calls

    def compare_system_calls(self, ini, addresses):
        """`addresses`: how often the address of each connection may be asked for, beyond what the server does."""
        for kind, options in ((Nginx, {"workers": 1}), (PythonSsl, {}), (AsyncioSeveral, {})):
            plain = self.make(kind, **options).start()
            without = self.system_calls(plain)
            plain.stop()
            server = self.grafted(kind, ini, **options)
            grafted = self.system_calls(server)
            server.stop()
            with self.subTest(server=kind.name, without=without.copy(), grafted=grafted.copy()):
                self.assertGreater(sum(without.values()), 100)
                asked = without.get("getsockname", 0)
                grafted["getsockname"] = max(grafted.get("getsockname", 0) - addresses * REQUESTS, asked)
                for call in (set(without) | set(grafted)) - {"futex"}:  # how often threads wait is chance
                    # what depends on timing (epoll_wait, brk) differs by a few from run to run
                    self.assertAlmostEqual(
                        without.get(call, 0), grafted.get(call, 0), delta=max(8, without.get(call, 0) // 5), msg=call
                    )

    def test_system_calls_of_an_ungoverned_server(self):
        """The address is looked at, to find out that no section names it: once for each connection."""
        self.compare_system_calls(self.elsewhere(), 1)

    def test_system_calls_where_sections_do_not_differ_by_address(self):
        self.compare_system_calls(self.ini({"server": {"mode": "off"}}), 0)

    def test_nginx_as_a_client_of_an_https_upstream(self):
        """Its own client certificate, its own trust, on a context of TLS_method: no section may touch a connecting side."""
        upstream = self.make(PythonSsl, native=self.pki).start()
        own_ca = self.pki.own_ca.cert
        (self.home / "anchors.pem").write_text(own_ca.read_text())
        client_cert, client_key = self.home / "to-upstream.pem", self.home / "to-upstream.key"
        client_cert.write_bytes(self.good.cert.read_bytes())
        client_key.write_bytes(self.good.key.read_bytes())
        more = f"""
        location /up {{
            proxy_pass https://127.0.0.1:{upstream.port}/;
            proxy_http_version 1.1;
            proxy_set_header Host upstream-answer;
            proxy_ssl_certificate {client_cert}; proxy_ssl_certificate_key {client_key};
            proxy_ssl_trusted_certificate {self.home}/anchors.pem; proxy_ssl_verify on; proxy_ssl_name one.example;
            proxy_ssl_server_name on; proxy_ssl_protocols {{version}};
        }}"""
        for version, word in zip(VERSIONS, ("TLSv1.2", "TLSv1.3")):
            for sections in ({"server": self.mutual(self.injected)}, {"server": {"mode": "off"}}):
                with self.subTest(version=version, mode=sections["server"]["mode"]):
                    server = self.grafted(Nginx, self.ini(sections), more=more.replace("{version}", word))
                    asked = b"GET /up HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n"
                    for _ in range(3):  # also with a session towards the upstream
                        result = self.client_probe(server, asked)
                        self.assertIn(b"server-data upstream-answer", result.data, str(result))
                    server.stop()

    def client_probe(self, server, request):
        from support import client

        return client.probe(server.port, request, client.TLS13, client=self.good)

    # what an attached process must leave alone

    def test_a_hang_up_of_the_terminal_still_ends_a_program(self):
        """kill -HUP renews; the terminal's own hang-up (sent by the kernel) ends what would have died of it."""
        ini = self.ini({"server": self.mutual(self.injected)})
        server = self.make(PythonSsl)
        main, other = os.openpty()
        server.process = subprocess.Popen(
            [*map(str, self.graft.run(ini)), *map(str, server.command())], stdin=other, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=lambda: _take_terminal(other),
            env={**os.environ, **self.graft.environment()},
        )
        os.close(other)
        server.pid = server.process.pid
        server.wait_ready()
        self.assert_served(server, self.probe(server, who=self.good), self.injected)
        procs.kill(server.pid, signal.SIGHUP)
        self.assert_served(server, self.probe(server, who=self.good), self.injected)
        self.assertIsNone(server.process.poll())
        os.close(main)
        server.process.wait(5)
        self.assertEqual(server.process.returncode, -signal.SIGHUP)

    @staticmethod
    def finished(command):
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    def test_real_clients(self):
        """curl, mosquitto_pub and redis-cli are served with, and refused without, a certificate."""
        from servers.mosquitto import Mosquitto
        from servers.redis import Redis

        ca, good = self.pki.ca.cert, self.good
        ini = self.ini({"server": self.mutual(self.injected)})
        for kind, command, names in (
            (Nginx, ["curl", "-sS", "--fail", "--resolve", "one.example:{port}:127.0.0.1", "https://one.example:{port}/"],
             ("--cacert", "--cert", "--key")),
            (Mosquitto, ["mosquitto_pub", "-h", "127.0.0.1", "-p", "{port}", "--insecure", "-t", "a", "-m", "b"],
             ("--cafile", "--cert", "--key")),
            (Redis, ["redis-cli", "-h", "127.0.0.1", "-p", "{port}", "--tls", "--sni", "one.example", "PING"],
             ("--cacert", "--cert", "--key")),
        ):
            server = self.grafted(kind, ini)
            words = [word.format(port=server.port) for word in command]
            trust = [names[0], str(ca)]
            if kind is Redis:
                words, tail = words[:-1], words[-1:]
            else:
                tail = []
            with self.subTest(server=kind.name):
                shown = [names[1], str(good.cert), names[2], str(good.key)]
                done = self.finished([*words, *trust, *shown, *tail])
                self.assertEqual(done.returncode, 0, done.stderr)
                if kind is Redis:
                    self.assertEqual(done.stdout, "PONG\n", done.stderr)
                done = self.finished([*words, *trust, *tail])
                self.assertNotIn("PONG", done.stdout)
                self.assertNotEqual((done.returncode, done.stderr), (0, ""))
            server.stop()

    def test_load_under_threads(self):
        """Many threads of one process handshake while generations change."""
        from support.traffic import Load

        server = self.grafted(PythonSsl, self.ini({"server": self.mutual(self.injected)}))
        load = Load(server.port, self.good, threads=6)
        pairs = [self.pki.server("ec", 1), self.injected]
        for number in range(40):
            self.pair(pairs[number % 2])
            self.assert_reloaded(server)
        load.stop()
        self.assertGreater(load.connections, 20)
        self.assertEqual(load.failed, 0, load.faults)

    test_load_under_threads.under_asan = True


def _take_terminal(descriptor):
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
