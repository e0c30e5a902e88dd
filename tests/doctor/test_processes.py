# SPDX-License-Identifier: Apache-2.0
"""The verdict on running processes: what is in them, and what their ports really answer."""

import os
import socket
import subprocess
import threading
import time

from support import procs
from support.ports import free_port

from doctor.case import DoctorCase
from servers.haproxy import Haproxy
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.redis import Redis

REFUSES = "asks for a client certificate and refuses who has none"
NOT_OURS = "serves a certificate that is not ours: SHA-256 "


class Processes(DoctorCase):
    def setUp(self):
        super().setUp()
        self.injected = self.pki.server("rsa")

    def site(self, *more, mode="mutual"):
        sections = {"server": self.mutual(self.injected, mode=mode)}
        for one in more:
            sections.update(one)
        return self.ini(sections)

    def ports(self, subject):
        """{port: texts of its findings}, and the exit status."""
        status, _, found = self.findings(subject)
        ports = {}
        for kind, about, text in found:
            if about == "port" and text.startswith("port "):
                number = int(text.split(" ")[1].rstrip(",:").rpartition(":")[2])
                ports.setdefault(number, []).append(f"{kind}: {text}")
        return status, ports

    def test_grafted_nginx(self):
        server = self.grafted(Nginx, self.site({"sni two": {"names": "two.example, *.wild.example"}}))
        done = self.doctor(server.pid)
        self.assert_says(
            done, 0, "the shim is in it", "generation 1", f"port 127.0.0.1:{server.port}, [server] mutual: ours",
            "for two.example, [sni two] mutual: ours", "for tlsgraft-doctor.wild.example, [sni two] mutual: ours", REFUSES,
            self.injected.leaf_sha256,
        )
        for pid in (server.pid, *server.workers()):
            self.assertIn(f"process {pid} (/usr/sbin/nginx): holds", done.stdout)
        self.assertNotIn("limit: ", done.stdout)

    def test_any_process_of_the_tree_and_its_keeper(self):
        server = self.grafted(Nginx, self.site())
        keeper = self.graft.status(server.pid)["keeper"]["pid"]
        for pid in (keeper, *server.workers()):
            self.assert_says(self.doctor(pid), 0, f"port 127.0.0.1:{server.port}, [server] mutual: ours", REFUSES)
        self.assert_says(self.doctor(keeper), 0, "it is a keeper")

    def test_nginx_with_a_plaintext_port_and_an_exempted_one(self):
        exempted, plain = free_port(), free_port()
        server = self.grafted(
            Nginx, self.site({"listener open": {"mode": "off", "listen": f"127.0.0.1:{exempted}"}}), more_ports=(exempted,),
            more=f'}} server {{ listen 127.0.0.1:{plain}; location / {{ return 200 "x"; }} ',
        )
        status, ports = self.ports(server.pid)
        self.assertEqual(status, 1)
        self.assertIn("[server] mutual: ours", ports[server.port][0])
        self.assertIn("limit: ", ports[exempted][0])
        self.assertIn("exempted by mode = off", ports[exempted][0])
        self.assertIn(NOT_OURS + server.own[0].leaf_sha256, ports[exempted][0])
        self.assertIn("limit: ", ports[plain][0])
        self.assertIn('answers plaintext (HTTP): "HTTP/1.1', ports[plain][0])

    def test_a_port_that_no_section_governs(self):
        port = free_port()
        ini = self.ini({"listener only": {**self.mutual(self.injected), "listen": f"127.0.0.1:{port}"}})
        server = self.grafted(Nginx, ini, more_ports=(port,))
        status, ports = self.ports(server.pid)
        self.assertEqual(status, 1)
        self.assertIn("[listener only] mutual: ours", ports[port][0])
        self.assertIn("governed by no section: " + NOT_OURS + server.own[0].leaf_sha256, ports[server.port][0])

    def test_modes_that_ask_less(self):
        for mode, words in (("server", "asks for no client certificate"), ("optional", "asks for a client certificate")):
            server = self.grafted(Nginx, self.ini({"server": self.mutual(self.injected, mode=mode)}, f"{mode}.ini"))
            done = self.doctor(server.pid)
            self.assert_says(done, 0, f"[server] {mode}: ours", words)
            self.assertNotIn(REFUSES, done.stdout)

    def test_ungrafted_nginx(self):
        server = self.make(Nginx)
        server.start()
        self.assert_says(
            self.doctor(server.pid), 126, "the shim is not in it",
            f"port 127.0.0.1:{server.port}: {NOT_OURS}{server.own[0].leaf_sha256}",
        )

    def test_redis_with_a_plaintext_port_beside_the_tls_port(self):
        plain = free_port()
        server = self.make(Redis)
        server.options[server.options.index("--port") + 1] = plain
        server.start(wrap=self.graft.run(self.site()), environment=self.graft.environment())
        status, ports = self.ports(server.pid)
        self.assertEqual(status, 1)
        self.assertIn("[server] mutual: ours", ports[server.port][0])
        self.assertIn("answers plaintext", ports[plain][0])
        self.assertIn("-ERR", ports[plain][0])

    def test_a_server_that_hands_libssl_memory(self):
        server = self.grafted(Haproxy, self.site())
        self.assert_says(self.doctor(server.pid), 0, f"port 127.0.0.1:{server.port}, [server] mutual: ours", REFUSES)

    def test_a_file_that_went_bad_since(self):
        """What is served is told by the keeper; which section governs a port is then not known."""
        ini = self.site()
        server = self.grafted(Nginx, ini)
        ini.write_text("[server]\nmode = strict\n")
        self.assertEqual(self.graft.reload(server.pid).returncode, 1)
        self.assert_says(
            self.doctor(server.pid), 1, "the newest reload was refused", "cannot be read as it is now", "ours, of [server]",
            REFUSES,
        )

    def test_the_shim_was_replaced(self):
        """An upgraded package: what runs is the old file."""
        graft = self.graft.copy_to(self.home / "installed")
        server = self.make(Nginx)
        server.start(wrap=graft.run(self.site()), environment=graft.environment())
        self.assertNotIn("replaced on disk", self.doctor(server.pid).stdout)
        fresh = graft.shim.with_name("fresh")
        fresh.write_bytes(graft.shim.read_bytes())
        os.replace(fresh, graft.shim)
        self.assert_says(self.doctor(server.pid), 1, "replaced on disk")

    def test_a_keeper_that_is_gone(self):
        server = self.grafted(Nginx, self.site())
        keeper = self.graft.status(server.pid)["keeper"]["pid"]
        for pid in (*procs.descendants(keeper), keeper):
            procs.kill(pid)
        procs.wait_until(lambda: not procs.alive(keeper), 5, "end of the keeper")
        self.assert_says(self.doctor(server.pid), 1, "nothing renews it", "ours, of [server]", REFUSES)

    def test_no_such_process_and_a_zombie(self):
        ended = subprocess.Popen(["/bin/true"])
        procs.wait_until(lambda: not procs.alive(ended.pid), 5, "end of a child")
        self.assert_says(self.doctor(ended.pid), 126, "a zombie")
        ended.wait()
        self.assert_says(self.doctor(ended.pid), 126, "no such process")

    def test_a_process_that_may_not_be_looked_at(self):
        server = self.grafted(Nginx, self.site())
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", self.graft.cli, "doctor", server.pid]
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            timeout=20,
        )
        self.assert_says(done, 126, "Permission denied")

    def listener(self, answer):
        """A port of this process's own; `answer` gets each connection."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def serve():
            while True:
                try:
                    connection = listening.accept()[0]
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return listening.getsockname()[1]

    def test_silent_and_garbage_ports_cost_no_more_than_their_time(self):
        """A port that accepts and says nothing, one that hangs up, one that sends bytes for ever."""
        def silent(connection):
            with connection:
                while connection.recv(4096):
                    pass

        def garbage(connection):
            try:
                with connection:
                    while True:
                        connection.sendall(b"\x00garbage\x1b[31m" * 100)
            except OSError:
                pass

        ports = {self.listener(silent): "answers neither", self.listener(lambda c: c.close()): "answers neither",
                 self.listener(garbage): "answers plaintext"}
        began = time.monotonic()
        done = self.doctor(os.getpid())
        self.assertLess(time.monotonic() - began, 25)
        for port, words in ports.items():
            line = next(line for line in done.stdout.splitlines() if f"127.0.0.1:{port}" in line)
            self.assertIn(words, line)
        self.assertNotIn("\x1b", done.stdout)

    def test_protocols_that_begin_in_plaintext(self):
        """Scripted servers: a greeting, then an answer to each line by one of its words."""
        def scripted(greeting, answers):
            def serve(connection):
                with connection, connection.makefile("rwb", buffering=0) as stream:
                    try:
                        stream.write(greeting)
                        for line in stream:
                            key = next((one for one in line.split() if one in answers), None)
                            if key is None:
                                return
                            stream.write(answers[key])
                    except OSError:
                        return
            return self.listener(serve)

        smtp = {b"EHLO": b"250-x\r\n250 STARTTLS\r\n", b"MAIL": b"250 ok\r\n"}
        imap = {b"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n"}
        pop3 = {b"CAPA": b"+OK\r\nSTLS\r\nUSER\r\n.\r\n"}
        ftp = {b"FEAT": b"211-x\r\n AUTH TLS\r\n211 end\r\n", b"USER": b"331 go on\r\n"}
        opened = {
            "SMTP": scripted(b"220 x ESMTP\r\n", smtp), "IMAP": scripted(b"* OK x\r\n", imap),
            "POP3": scripted(b"+OK x\r\n", pop3), "FTP": scripted(b"220 files\r\n", ftp),
        }
        closed = {
            "SMTP": scripted(b"220 x ESMTP\r\n", {**smtp, b"FROM:<>": b"530 first\r\n", b"MAIL": b"530 first\r\n"}),
            "IMAP": scripted(b"* OK x\r\n", {b"CAPABILITY": b"* CAPABILITY STARTTLS LOGINDISABLED\r\na OK\r\n"}),
            "POP3": scripted(b"+OK x\r\n", {b"CAPA": b"+OK\r\nSTLS\r\n.\r\n"}),
            "FTP": scripted(b"220 files\r\n", {**ftp, b"USER": b"530 first\r\n"}),
        }
        _, ports = self.ports(os.getpid())
        for protocol, port in opened.items():
            self.assertIn(f"limit: port 127.0.0.1:{port}: answers plaintext ({protocol})", ports[port][0])
            self.assertIn("the server's own switch closes it", ports[port][0])
        for protocol, port in closed.items():
            said = f"fact: port 127.0.0.1:{port}: begins in plaintext ({protocol}) and goes on only in TLS"
            self.assertIn(said, ports[port][0])

    def test_seccomp_and_no_new_privileges(self):
        server = self.make(PythonSsl)
        server.start(
            wrap=[*self.graft.run(self.site()), "setpriv", "--no-new-privs"], environment=self.graft.environment()
        )
        self.assert_says(self.doctor(server.pid), 0, "no_new_privs", "[server] mutual: ours")

    def test_another_network_namespace(self):
        """Ports are asked from where the server listens: the same port here is another server's."""
        server = self.make(PythonSsl)
        server.is_ready = lambda: "ready" if procs.maps(server.pid).count("libssl") and self._listens(server) else None
        server.start(
            wrap=["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *self.graft.run(self.site())],
            environment=self.graft.environment(),
        )
        done = self.doctor(server.pid)
        self.assertFalse(procs.accepts(server.port))
        self.assert_says(done, 0, f"port 127.0.0.1:{server.port}, [server] mutual: ours", REFUSES)

    @staticmethod
    def _listens(server):
        with open(f"/proc/{server.pid}/net/tcp", encoding="ascii") as table:
            return f":{server.port:04X} " in table.read()

    def test_looking_changes_nothing(self):
        """No reload was asked for, nothing is left running, and the server serves as before."""
        server = self.grafted(Nginx, self.site())
        before, children = self.graft.status(server.pid), procs.descendants(os.getpid())
        self.doctor(server.pid)
        self.assertEqual(before["reload"], self.graft.status(server.pid)["reload"])
        self.assertEqual(set(procs.descendants(os.getpid())) - set(children), set())
        self.assert_served(server, self.probe(server, who=self.pki.clients["good"]), self.injected)
