# SPDX-License-Identifier: Apache-2.0
"""Every column of the compatibility matrix, measured on one server under `tlsgraft run`."""

import pwd
import signal
import stat
import subprocess

from matrix import page
from support import client, procs
from support.case import Context, ServerCase
from support.page import per_version
from support.pki import ALLOW, HOSTS
from support.procs import wait_until

REFUSALS = ("no_certificate", "unknown_ca", "expired", "not_yet_valid", "revoked", "not_allowed")
UNKNOWN = "nobody.example"
WILD = "a.shop.example"
RELOAD_SECONDS = 20
ATTEMPTS = 60


class Matrix(ServerCase):
    """`row` is one test: it starts a server once and takes it through everything."""

    def setUp(self):
        super().setUp()
        pki = self.pki
        self.first, self.wild, self.second = pki.server("rsa"), pki.server("ec", 7), pki.server("ec", 1)
        self.good, self.wrong = pki.clients["good"], pki.clients["wrong CA"]
        self.other_ca = pki.client(pki.second_ca)
        self.other_crl = pki.second_ca.write_crl(self.home / "second.crl")
        self.server = None
        self.natively = {}  # TLS version: a session resumed under `off`
        self.cells = {}

    def row(self, kind, **options):
        self.kind = kind
        self.cells = {"version": kind.version(), "notes": kind.notes or "none"}
        self.serving = self.first
        sound = 0
        steps = (
            self.measure_clients, self.measure_sni, self.measure_renewal, self.measure_ca_removal, self.measure_tightening,
            self.measure_resumption, self.measure_versions, self.measure_other_client, self.measure_own_reload,
        )
        try:
            # The other key type, which clients prefer: the server's own certificate must not win in its slot.
            self.server = self.grafted(kind, self.write(self.both_cas()), "ec", **options)
            self.server.ask = self.ask
            for step in steps:
                if self.server.process.poll() is not None:
                    self.fail(f"{self.server.name} ended with status {self.server.process.returncode}")
                with self.subTest(step.__name__):
                    step()
                    sound += 1
            if sound == len(steps):
                self.cells["injection"] = "yes"  # every step looks at the chains that it saw
            self.assertTrue(self.server.stop(), "the server did not end by itself")
        finally:
            self.keep(kind)

    def keep(self, kind):
        page.PART.leave(Context.results, self.id().rpartition(".")[2], kind.heading(), self.cells)

    # the INI file

    def write(self, server_section):
        sections = {
            "tlsgraft": {"reload_signal": self.kind.reload_signal},
            "server": server_section,
            "sni wild": {"names": "*.Shop.example", **self.wild_pair()},
        }
        return self.ini(sections)

    def wild_pair(self):
        return {"cert": self.home / "wild.pem", "key": self.home / "wild.key"}

    def both_cas(self):
        cas, crls = [self.pki.ca.cert, self.pki.second_ca.cert], [self.pki.crl, self.other_crl]
        return {"mode": "mutual", **self.current(), "ca": cas, "crl": crls, "allow": ALLOW}

    def one_ca(self):
        return {"mode": "mutual", **self.current(), "ca": self.pki.ca.cert, "crl": self.pki.crl, "allow": ALLOW}

    def current(self):
        self.pair(self.wild, "wild")
        return self.pair(self.serving)

    def rewrite(self, server_section):
        self.write(server_section)
        self.assert_reloaded(self.server)

    # expectations

    def served(self, version, who, host=HOSTS[0], injected=None, resumed=False, **options):
        result = self.probe(self.server, version, who, host, **options)
        self.assert_served(self.server, result, injected or self.serving, host, resumed)
        self.assertEqual(result.version, version)
        return result

    def refused(self, version, who, host=HOSTS[0], injected=None, **options):
        result = self.probe(self.server, version, who, host, **options)
        self.assert_refused(result, injected or self.serving)
        return result

    def ask(self, request):
        """The answer to a request of the right client's."""
        return client.probe(self.server.port, request, client=self.good, **self.server.probe_options).data

    def session(self, name, version):
        return self.home / f"session {name} {version}"

    # the columns

    def measure_clients(self):
        for name in page.CLIENTS:
            who = {"none": None, "right": self.good}.get(name) or self.pki.clients.get(name)
            for version in self.kind.versions:
                if name == "right":
                    self.served(version, who)
                    continue
                self.assertTrue(self.refused(version, who).asked, f"{name}: no certificate was asked for")
            self.cells[name] = "served" if name == "right" else "refused"
        self.status_tells()

    def status_tells(self):
        """What `tlsgraft status` counted of these clients."""
        count = len(self.kind.versions)
        expected = {"accepted": count, "refused": 6 * count}
        expected.update({name: count for name in REFUSALS})

        def counted():
            section = self.graft.status(self.server.pid)["sections"][0]
            found = {**section["handshakes"], **section["refused_by"]}
            return {key: found[key] for key in expected} == expected

        wait_until(counted, 5, f"{expected} in {self.graft.status(self.server.pid)['sections'][0]}")

    def measure_sni(self):
        for version in self.kind.versions:
            for name, injected in ((UNKNOWN, self.serving), (None, self.serving), (WILD, self.wild)):
                result = self.probe(self.server, version, self.good, sni=name)
                self.assert_served(self.server, result, injected)
                self.assert_refused(self.probe(self.server, version, None, sni=name), injected)
            for host in HOSTS[1 : self.kind.hosts]:
                self.served(version, self.good, host)
                self.refused(version, None, host)
                self.refused(version, self.wrong, host)
        self.cells["SNI"] = "yes" if self.kind.hosts > 1 else "yes, TLS only"

    def measure_resumption(self):
        found = {}
        for version in self.kind.versions:
            session = self.session("good", version)
            self.served(version, self.good, session_out=session)
            again = self.probe(self.server, version, self.good, **self.resuming("good", version))
            ours = self.kind.resumes[version]
            self.assert_served(self.server, again, self.serving, resumed=ours)
            if ours:
                found[version] = "yes"
            elif self.natively[version]:
                self.assertTrue(self.kind.no_resumption, "resumes under `off`, not under `mutual`, and nothing says why")
                found[version] = f"no: {self.kind.no_resumption}"
            else:
                found[version] = "no: not by itself" + (f", {self.kind.no_resumption}" if self.kind.no_resumption else "")
        self.cells["resumption"] = per_version(found)

    def measure_versions(self):
        """What it does not speak, it does not speak by itself: neither under `off`."""
        found = {}
        for version in client.VERSIONS:
            if version in self.kind.versions:
                found[version] = version
                continue
            result = self.probe(self.server, version, self.good)
            self.assert_refused(result)
            self.assertFalse(result.server_hello, str(result))
            self.assertFalse(self.server_hello_under_off[version], f"TLS {version} is spoken under `off`")
            found[version] = f"no {version}: {self.kind.version_limits[version]}"
        self.cells["TLS"] = ", ".join(found.values())

    def measure_ca_removal(self):
        for version in self.kind.versions:
            session = self.session("removed", version)
            self.served(version, self.other_ca, session_out=session)
            if self.kind.resumes[version]:
                self.served(version, self.other_ca, session_in=session, resumed=True)
        self.rewrite(self.one_ca())
        for version in self.kind.versions:
            for who in (None, self.other_ca):
                self.assertTrue(self.refused(version, who, **self.resuming("removed", version)).asked)
            self.assertTrue(self.refused(version, self.other_ca).asked)
            self.served(version, self.good)
        self.cells["CA removal"] = "refused"

    def resuming(self, name, version):
        """Options that offer a session, where the server gave one."""
        session = self.session(name, version)
        return {"session_in": session} if session.exists() else {}

    def measure_tightening(self):
        """Also what the server does by itself, under `off`: its own certificate, nobody asked, its own sessions."""
        self.rewrite({"mode": "off"})
        own = self.server.own[0]
        for version in self.kind.versions:
            session = self.session("off", version)
            result = self.served(version, None, injected=own, session_out=session)
            self.assertEqual(result.asked, self.kind.asks_by_itself)
            if session.exists():
                again = self.probe(self.server, version, None, session_in=session, session_out=session)
                self.assert_served(self.server, again, own, resumed=again.resumed)
            self.natively[version] = session.exists() and again.resumed
        others = [version for version in client.VERSIONS if version not in self.kind.versions]
        self.server_hello_under_off = {version: self.probe(self.server, version).server_hello for version in others}

        self.rewrite({"mode": "server", **self.current()})
        for version in self.kind.versions:
            result = self.served(version, None, session_out=self.session("server", version))
            self.assertEqual(result.asked, self.kind.asks_by_itself)

        self.rewrite(self.one_ca())
        for version in self.kind.versions:
            for name in ("off", "server"):
                options = self.resuming(name, version)
                for who in (None, self.wrong):
                    self.assertTrue(self.refused(version, who, **options).asked)
                self.served(version, self.good, **options)
        some = any(self.natively.values())
        self.cells["tightening"] = "refused" if some else "refused (it resumes nothing)"

    def measure_renewal(self):
        version = self.kind.versions[-1]
        conversation = self.server.conversation(HOSTS[0])
        starttls = self.server.probe_options.get("starttls")
        with client.Conversation(self.server.port, version, self.good, starttls=starttls) as live:
            for number, (question, end) in enumerate(conversation or []):
                self.assertIn(end, live.ask(question, end))
                if number == 0:
                    self.no_root_serves()
            self.renew(self.second)
            self.assert_reloaded(self.server)
            self.every_process_serves()
            if conversation:
                question, end = conversation[-1]
                self.assertIn(end, live.ask(question, end), "the running connection was lost")
        self.cells["running connection"] = "kept" if conversation else f"n/a: {self.kind.no_conversation}"
        count = "each connection's own process" if not self.kind.processes else (
            f"{self.kind.processes} processes" if self.kind.processes > 1 else "one process"
        )
        self.cells["renewal"] = f"yes, {count}"

    def no_root_serves(self):
        """While a connection is open: a process of one connection may have a parent that is root still."""
        if self.kind.processes:
            self.enough_serve()
            return
        user = self.kind.user or self.kind.run_user
        users = {pid: procs.user_ids(pid)[:3] for pid in self.server.serving()}
        effective = [three[1] for three in users.values()]
        self.assertIn(pwd.getpwnam(user).pw_uid, effective, f"of {user}: {users}")

    def renew(self, credential):
        self.serving = credential
        about = self.pair(credential)["key"].stat()
        self.assertEqual((stat.S_IMODE(about.st_mode), about.st_uid), (0o600, 0))

    def every_process_serves(self):
        """Connections until each process has taken one: the keeper knows which generation it serves by then."""
        pids = set(self.server.serving() if self.kind.processes else [])

        def behind():
            tree = self.graft.status(self.server.pid)
            new = {entry["pid"] for entry in tree["processes"] if entry["generation"] == tree["generation"]}
            return pids - new

        def connect():
            for version in self.kind.versions:
                self.served(version, self.good)

        for _ in range(3):
            connect()
        for _ in range(ATTEMPTS):
            left = behind()
            if not left:
                return
            if self.kind.reuses_port:
                connect()
            else:
                self.halting(pids - {min(left)}, connect)
        self.fail(f"no new connection reached {behind()} of {pids}")

    @staticmethod
    def halting(others, action):
        """So that a process which they leave idle gets its turn."""
        try:
            for pid in others:
                procs.kill(pid, signal.SIGSTOP)
            action()
        finally:
            for pid in others:
                procs.kill(pid, signal.SIGCONT)

    def measure_other_client(self):
        for who in (self.good, None):
            words = [str(word) for word in self.server.client_words(who, self.pki.ca.cert)]
            done = subprocess.run(
                words, input=self.kind.client_input, capture_output=True, timeout=30, check=False, cwd=self.home
            )
            said = f"{words[0]} ended with {done.returncode}: {done.stdout[-300:]!r} {done.stderr[-300:]!r}"
            self.assertEqual(self.server.client_served(done), who is not None, said)
        self.cells["other client"] = self.kind.client

    def measure_own_reload(self):
        done = []
        fresh = [self.first, self.second]
        for number, own in enumerate(self.kind.own_reloads):
            old = self.serving
            self.renew(fresh[number % 2])
            happened = own.begin(self.server)
            self.watch(happened, old, f"{own.how} of {self.server.name}")
            if not own.asks_tlsgraft(self.server):
                self.assert_reloaded(self.server)
            self.watch(self.new_leaf, old, "the new leaf")
            self.settled()
            done.append(own.how)
        if done:
            self.cells["own reload"] = f"yes: {', '.join(done)}"
            return
        old = self.serving
        self.renew(self.first)
        procs.kill(self.server.pid, getattr(signal, f"SIG{self.kind.reload_signal}"))
        self.watch(self.new_leaf, old, "the new leaf")
        self.settled()
        plain = " and SIGHUP ends it" if self.ends_by_hangup() else ""
        self.cells["own reload"] = f"n/a: {self.kind.no_own_reload}{plain}; tlsgraft renews on SIG{self.kind.reload_signal}"

    def ends_by_hangup(self):
        """Without tlsgraft."""
        plain = self.make(self.kind)
        plain.start()
        procs.kill(plain.pid, signal.SIGHUP)
        try:
            plain.process.wait(10 if self.kind.hangup_ends else 0.5)
        except subprocess.TimeoutExpired:
            self.assertFalse(self.kind.hangup_ends, "SIGHUP did not end it")
            return False
        self.assertTrue(self.kind.hangup_ends, "SIGHUP ended it")
        return True

    def watch(self, condition, old, what):
        """Waits, and sees that nobody without a certificate is served meanwhile, nor the server's own certificate."""
        allowed = ([], old.chain_sha256, self.serving.chain_sha256)

        def done():
            for version in self.kind.versions:
                result = self.probe(self.server, version)
                self.assertEqual(result.data, b"", f"served without a certificate: {result}")
                self.assertIn(result.chain_sha256, allowed, f"served chain: {result}")
            return condition()

        wait_until(done, RELOAD_SECONDS, what)

    def new_leaf(self):
        return self.probe(self.server, self.kind.versions[-1], self.good).chain_sha256 == self.serving.chain_sha256

    def enough_serve(self):
        """None of them root. Some start their second process a moment later, and it drops its user after that."""
        def enough():
            users = [procs.user_ids(pid)[:3] for pid in self.server.serving()]
            return len(users) >= self.kind.processes and all(three and 0 not in three for three in users)

        wait_until(enough, 10, f"{self.kind.processes} processes that serve, without root")

    def settled(self):
        if self.kind.processes:
            self.enough_serve()
        for version in self.kind.versions:
            self.served(version, self.good)
            for who in (None, self.wrong):
                self.assertTrue(self.refused(version, who).asked)
