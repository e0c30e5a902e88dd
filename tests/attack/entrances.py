# SPDX-License-Identifier: Apache-2.0
"""Servers whose connections come in by other ways than their own `listen` and `accept`, or when nothing is left to have.

An entrance starts one server, plainly or under tlsgraft. Whoever has no valid certificate then tries everything that brings
data from the plain one.
"""

import os
import resource
import shutil
import subprocess

from support import procs
from support.giver import Giver, Inetd
from support.ports import free_port
from support.server import PLACEHOLDER_BODY

from plaintext.stores import Memcached, Redis
from plaintext.web import Nginx

_BODY = PLACEHOLDER_BODY.encode()
_GET = b"GET /file.txt HTTP/1.0\r\nHost: one.example\r\n\r\n"
_SPARE = 2  # descriptors that a server has left


class Entrance:
    """`begin(home, govern)`: `govern(port)` gives the words before a command and what its environment needs."""

    label = "?"
    request = b""
    greets = False
    proof = b""  # in what is answered
    scarce = False  # there is next to no descriptor left; `relieve` ends that
    is_stdio = False  # connections are descriptors 0 to 2: no `engine = direct` carries them

    def __init__(self):
        self.port = None

    def begin(self, home, govern):
        raise NotImplementedError

    def end(self):
        raise NotImplementedError


class _Rsync(Entrance):
    request = b"@RSYNCD: 31.0 sha256 md5\n#list\n"
    greets = True
    proof = b"@RSYNCD:"
    is_stdio = True

    @staticmethod
    def words(home):
        (home / "rsyncd.conf").write_text(f"use chroot = no\nlog file = {home}/rsyncd.log\n[data]\npath = {home}\n")
        return ["/usr/bin/rsync", "--daemon", f"--config={home}/rsyncd.conf"]


class RsyncOfInetd(_Rsync):
    """Its standard input and output are the connection, which somebody outside of the tree has accepted."""

    label = "rsync-inetd"

    def begin(self, home, govern):
        entrance, words = self, self.words(home)

        class Governed(Inetd):
            def start(self, _, *more):
                entrance.port = self.port
                wrap, environment = govern(self.port)
                return super().start([*wrap, *words], more[0], environment)

        self.giver = Governed(words, (0, 1))
        self.port = self.giver.port

    def end(self):
        self.giver.stop()


class _BySystemd(Entrance):
    """systemd-socket-activate, which does what systemd does for a socket unit."""

    options = ()

    def words(self, home):
        raise NotImplementedError

    def begin(self, home, govern):
        self.port = free_port()
        wrap, environment = govern(self.port)
        passed = [word for name, value in environment.items() for word in ("-E", f"{name}={value}")]
        words = ["systemd-socket-activate", "-l", f"127.0.0.1:{self.port}", *self.options, *passed, *wrap, *self.words(home)]
        with open(home / "systemd.log", "ab") as log:
            self.process = subprocess.Popen([*map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        procs.wait_until(lambda: procs.listening(self.port), 10, "systemd-socket-activate listens")

    def end(self):
        started = procs.descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        for pid in started:
            procs.kill(pid)


class RsyncOfSystemd(_Rsync, _BySystemd):
    """Accept=yes."""

    label = "rsync-systemd"
    options = ("--accept", "--inetd")


class LighttpdOfSystemd(_BySystemd):
    """Accept=no."""

    label = "lighttpd-systemd"
    request = _GET
    proof = _BODY

    def words(self, home):
        (home / "file.txt").write_bytes(_BODY)
        (home / "lighttpd.conf").write_text(
            f'server.document-root = "{home}"\nserver.bind = "127.0.0.1"\nserver.port = {self.port}\n'
            'server.systemd-socket-activation = "enable"\nserver.errorlog = "/dev/stderr"\n'
        )
        return ["/usr/sbin/lighttpd", "-D", "-f", home / "lighttpd.conf"]


class _Listening(Entrance):
    """Its listening socket is 3 at its start."""

    environment = {}

    def begin(self, home, govern):
        self.giver = Giver()
        self.port = self.giver.port
        wrap, environment = govern(self.port)
        words = self.words(home)
        with open(home / "given.log", "ab") as log:
            self.process = self.giver.start(
                [*wrap, *words], {3: self.giver.listener}, {**environment, **self.environment}, log
            )

    def end(self):
        workers = procs.descendants(self.process.pid)
        self.giver.stop()
        for pid in workers:
            procs.kill(pid)


class NginxOfVariable(_Listening):
    """As an upgraded nginx has its sockets from the one before."""

    label = "nginx-given"
    request = _GET
    proof = _BODY
    environment = {"NGINX": "3;"}

    def words(self, home):
        (home / "file.txt").write_bytes(_BODY)
        (home / "nginx.conf").write_text(
            f"daemon off; user root; pid {home}/nginx.pid; error_log {home}/error.log; events {{}}\n"
            f"http {{ access_log off; server {{ listen 127.0.0.1:{self.port}; root {home}; }} }}\n"
        )
        return ["/usr/sbin/nginx", "-c", home / "nginx.conf", "-e", home / "error.log"]


class HaproxyOfNumber(_Listening):
    label = "HAProxy-given"
    request = _GET
    proof = _BODY

    def words(self, home):
        (home / "haproxy.cfg").write_text(
            "defaults\n mode http\n timeout client 5s\n timeout connect 5s\n timeout server 5s\n"
            f'frontend given\n bind fd@3\n http-request return status 200 content-type text/plain string "{PLACEHOLDER_BODY}"\n'
        )
        return ["/usr/sbin/haproxy", "-db", "-f", home / "haproxy.cfg"]


class _Scarce(Entrance):
    """An ordinary server that has next to no descriptors left when it is attacked."""

    kind = None
    scarce = True

    def begin(self, home, govern):
        self.server = self.kind(home / "server", [])
        self.port = self.server.port
        wrap, environment = govern(self.port)
        self.server.start(wrap=wrap, environment=environment)
        self.limits = {}
        for pid in [self.server.pid, *procs.descendants(self.server.pid)]:
            self.limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            used = max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + _SPARE, self.limits[pid][1]))

    def relieve(self):
        for pid, limits in self.limits.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

    def end(self):
        self.server.stop()
        shutil.rmtree(self.server.home, ignore_errors=True)


class ScarceRedis(_Scarce):
    label = "Redis-scarce"
    kind = Redis
    request = b"PING\r\nQUIT\r\n"
    proof = b"+PONG"


class _RootMemcached(Memcached):
    def command(self):
        words = super().command()
        words[words.index("memcache")] = "root"  # else its limits cannot be changed from outside
        return words


class ScarceMemcached(_Scarce):
    label = "memcached-scarce"
    kind = _RootMemcached
    request = b"version\r\nquit\r\n"
    proof = b"VERSION "


class _RootNginx(Nginx):
    def configure(self):
        super().configure()
        conf = self.home / "nginx.conf"
        conf.write_text(conf.read_text().replace("user www-data;", "user root;"))


class ScarceNginx(_Scarce):
    label = "nginx-scarce"
    kind = _RootNginx
    request = _GET
    proof = _BODY


ENTRANCES = (
    RsyncOfInetd, RsyncOfSystemd, LighttpdOfSystemd, NginxOfVariable, HaproxyOfNumber, ScarceRedis, ScarceMemcached, ScarceNginx,
)
