# SPDX-License-Identifier: Apache-2.0
"""Servers that another program starts: entrypoints that change the user first, and inetd, which cleans the environment."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from support import procs
from support.case import ServerCase
from support.client import VERSIONS
from support.server import Server

from servers.redis import Redis

POSTGRES = Path("/usr/lib/postgresql/15/bin")


class Entrypoint(Redis):
    """Redis as a container's entrypoint starts it: as root first, then as its own user."""

    run_user = None

    def __init__(self, home, own, native=None, words=()):
        self.words = words
        super().__init__(home, own, native)

    def configure(self):
        super().configure()
        about = pwd.getpwnam("redis")
        for path in (self.home, *self.home.iterdir()):
            os.chown(path, about.pw_uid, about.pw_gid)

    def command(self):
        return [*self.words, *super().command()]


class Inetd(Server):
    """openbsd-inetd, which starts stunnel for each connection, with an environment of nothing."""

    name = "openbsd-inetd"
    executable = "/usr/sbin/inetd"
    resumes = {"1.2": False, "1.3": False}

    def configure(self):
        service = self.home / "stunnel.conf"
        service.write_text(
            f"debug = notice\noutput = {self.home}/stunnel.log\ncert = {self.home}/own0.pem\nkey = {self.home}/own0.key\n"
            "exec = /bin/echo\nexecArgs = echo inetd-data\n"
        )
        (self.home / "inetd.conf").write_text(
            f"127.0.0.1:{self.port} stream tcp nowait root /usr/bin/stunnel4 stunnel4 {service}\n"
        )

    def command(self):
        return [self.executable, "-i", "-R", "1000", self.home / "inetd.conf"]

    def request(self, host):
        return b""

    def is_answer(self, data, host):
        return data == b"inetd-data\n"


class Cluster(Server):
    """PostgreSQL by Debian's pg_ctlcluster, which is perl, runs as root and drops to the cluster's owner."""

    name = "pg_ctlcluster"
    executable = "/usr/bin/pg_ctlcluster"

    def configure(self):
        data, conf = self.home / "data", self.home / "conf" / "15" / "test"
        about = pwd.getpwnam("postgres")
        conf.mkdir(parents=True)
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, about.pw_uid, about.pw_gid)
        as_postgres = {"user": "postgres", "group": "postgres", "cwd": self.home}
        subprocess.run([POSTGRES / "initdb", "-D", data, "-A", "trust", "--no-sync"], check=True, capture_output=True, **as_postgres)
        (conf / "postgresql.conf").write_text(
            f"data_directory = '{data}'\nhba_file = '{data}/pg_hba.conf'\nident_file = '{data}/pg_ident.conf'\n"
            f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.home}'\nssl = on\n"
            f"ssl_cert_file = '{self.home}/own0.pem'\nssl_key_file = '{self.home}/own0.key'\nfsync = off\n"
            f"external_pid_file = '{self.home}/postgres.pid'\n"
        )
        (conf / "start.conf").write_text("manual\n")
        for path in conf.iterdir():
            os.chown(path, about.pw_uid, about.pw_gid)

    def command(self):
        return ["/usr/bin/env", f"PG_CLUSTER_CONF_ROOT={self.home}/conf", self.executable, "--foreground", "15", "test", "start"]

    def question(self, credential=None):
        words = ["psql", "-X", "-A", "-t", "-c", "select 6 * 7"]
        words.append(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres sslmode=require")
        if credential:
            key = self.home / "client.key"  # psql wants the key to be its user's own
            shutil.copyfile(credential.key, key)
            key.chmod(0o600)
            words[-1] += f" sslcert={credential.cert} sslkey={key}"
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)


class OtherStarters(ServerCase):
    def setUp(self):
        super().setUp()
        self.old, self.new = self.pki.server("rsa"), self.pki.server("ec", 1)
        self.good = self.pki.clients["good"]

    def site(self, **settings):
        return self.ini({"tlsgraft": settings, "server": self.mutual(self.old)})

    def holds(self, server):
        for injected in (self.old, self.new):
            for version in VERSIONS:
                for name in ("none", "wrong CA"):
                    self.assert_refused(self.probe(server, version, self.pki.clients.get(name)), injected)
                self.assert_served(server, self.probe(server, version, self.good), injected)
            if injected is self.old:
                self.pair(self.new)
                self.assertEqual((self.home / "server.key").stat().st_mode & 0o777, 0o600)
                self.assert_reloaded(server)

    def test_entrypoints_that_change_the_user(self):
        """`user = redis` lets what the entrypoint executes hold the keys."""
        for words in (
            ["setpriv", "--reuid=redis", "--regid=redis", "--clear-groups"],
            ["runuser", "-u", "redis", "--"],
            ["sh", "-c", 'exec setpriv --reuid=redis --regid=redis --init-groups "$@"', "sh"],
            ["env", "-i", "setpriv", "--reuid=redis", "--regid=redis", "--clear-groups"],
        ):
            with self.subTest(entrypoint=words[0], words=words):
                self.pair(self.old)
                server = self.grafted(Entrypoint, self.site(user="redis"), words=words)
                serving = server.workers() or [server.pid]
                for pid in serving:
                    self.assertNotIn(0, procs.user_ids(pid))
                self.holds(server)
                server.stop()

    def test_without_user_the_handshakes_fail(self):
        """Nobody named that user: its server gets no key, and says so, and serves nobody. Not even its own certificate."""
        words = ["setpriv", "--reuid=redis", "--regid=redis", "--clear-groups"]
        server = self.grafted(Entrypoint, self.site(), words=words)
        for version in VERSIONS:
            for who in (None, self.good):
                result = self.probe(server, version, who)
                self.assert_refused(result)
                self.assertEqual(result.chain_sha256, [])

    def test_run_with_a_user(self):
        """`run --user`: the keeper keeps its rights, the server never had them."""
        server = self.make(Entrypoint)
        wrap = self.graft.run(self.site(), "--user", "redis")
        server.start(wrap=wrap, environment=self.graft.environment())
        self.assertNotIn(0, procs.user_ids(server.pid))
        self.holds(server)

    def test_inetd(self):
        server = self.grafted(Inetd, self.site())
        self.holds(server)

    def test_inetd_without_tlsgraft(self):
        server = self.make(Inetd).start()
        self.assert_served(server, self.probe(server), server.own[0])

    def test_pg_ctlcluster(self):
        server = self.grafted(Cluster, self.site(user="postgres"))
        for bad in (None, self.pki.clients["wrong CA"], self.pki.clients["revoked"]):
            done = server.question(bad)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stdout, "")
        done = server.question(self.good)
        self.assertEqual((done.returncode, done.stdout), (0, "42\n"), done.stderr)
        self.pair(self.new)
        self.assert_reloaded(server)
        self.assertEqual(server.question(self.good).stdout, "42\n")
        self.assertNotEqual(server.question().returncode, 0)
