# SPDX-License-Identifier: Apache-2.0
"""Servers that are told to use a certificate of their own, and have none: no file, or no directive that names one."""

import shutil
import subprocess
from pathlib import Path

from support import procs
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY, Server

from servers.apache import Apache
from servers.mosquitto import Mosquitto
from servers.redis import Redis
from servers.several import UNPACKED, AsyncioSeveral, NamedSeveral


class Bare(Server):
    """Its configuration names `own0.pem` and `own0.key`, which are taken away before the start."""

    def missing(self):
        return [self.home / name for name in ("own0.pem", "own0.key", "own0.both")]

    def start(self, *words, **options):
        for path in self.missing():
            path.unlink(missing_ok=True)
        return super().start(*words, **options)

    def is_ready(self):
        return all(procs.accepts(port) for port in [self.port])


class BareMosquitto(Bare, Mosquitto):
    pass


class BareRedis(Bare, Redis):
    pass


class BareNamed(Bare, NamedSeveral):
    pass


class BareAsyncio(Bare, AsyncioSeveral):
    pass


class BareApache(Bare, Apache):
    """No SSLCertificateFile at all."""

    hosts = 1

    def configure(self):
        super().configure()
        path = self.home / "apache.conf"
        lines = [line for line in path.read_text().splitlines() if "SSLCertificate" not in line]
        path.write_text("\n".join(lines) + "\n")


class BareHttp(Bare):
    def request(self, host):
        return f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    def is_answer(self, data, host):
        return data.startswith(b"HTTP/1.") and b" 200 " in data[:20] and PLACEHOLDER_BODY.encode() in data


class BareUvicorn(BareHttp):
    name = "uvicorn"
    executable = "/usr/bin/uvicorn"

    def configure(self):
        (self.home / "app.py").write_text(
            "async def app(scope, receive, send):\n"
            "    if scope['type'] == 'http':\n"
            "        await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
            f"        await send({{'type': 'http.response.body', 'body': b'{PLACEHOLDER_BODY}'}})\n"
        )

    def command(self):
        return [
            "/usr/bin/python3", self.executable, "--host", "127.0.0.1", "--port", self.port, "--app-dir", self.home,
            "--ssl-certfile", self.home / "own0.pem", "--ssl-keyfile", self.home / "own0.key", "app:app",
        ]


class BareWeborf(BareHttp):
    name = "weborf"
    executable = "/usr/bin/weborf"

    def configure(self):
        (self.home / "www").mkdir()
        (self.home / "www" / "index.html").write_text(PLACEHOLDER_BODY)

    def command(self):
        return [
            self.executable, "-I", "127.0.0.1", "-p", self.port, "-b", self.home / "www", "--cert", self.home / "own0.pem",
            "--key", self.home / "own0.key",
        ]

    def request(self, host):
        return super().request(host).replace(b"GET / ", b"GET /index.html ")


class BareSocat(Bare):
    name = "socat"
    executable = "/usr/bin/socat"

    def command(self):
        own = f"cert={self.home}/own0.pem,key={self.home}/own0.key,verify=0"
        return [
            self.executable, f"OPENSSL-LISTEN:{self.port},bind=127.0.0.1,reuseaddr,fork,{own}",
            f"SYSTEM:read line; echo {PLACEHOLDER_BODY}",
        ]

    def configure(self):
        pass

    def request(self, host):
        return b"line\n"

    def is_answer(self, data, host):
        return data == f"{PLACEHOLDER_BODY}\n".encode()


class BareNcat(BareSocat):
    name = "ncat"
    executable = "/usr/bin/ncat"

    def command(self):
        return [
            self.executable, "--listen", "--keep-open", "--ssl", "--ssl-cert", self.home / "own0.pem", "--ssl-key",
            self.home / "own0.key", "--sh-exec", f"read line; echo {PLACEHOLDER_BODY}", "127.0.0.1", self.port,
        ]


class BareMemcached(Bare):
    name = "memcached"
    executable = "/usr/bin/memcached"

    def configure(self):
        pass

    def command(self):
        return [
            self.executable, "-u", "nobody", "-l", "127.0.0.1", "-p", self.port, "-Z", "-o",
            f"ssl_chain_cert={self.home}/own0.pem,ssl_key={self.home}/own0.key",
        ]

    def request(self, host):
        return b"version\r\nquit\r\n"

    def is_answer(self, data, host):
        return data.startswith(b"VERSION ")


class BareUnbound(Bare):
    name = "unbound"
    executable = "/usr/sbin/unbound"

    def configure(self):
        (self.home / "unbound.conf").write_text(
            f'server:\n directory: "{self.home}"\n chroot: ""\n username: unbound\n pidfile: "{self.home}/pid"\n'
            f' use-syslog: no\n logfile: ""\n do-daemonize: no\n interface: 127.0.0.1@{self.port}\n'
            f' tls-port: {self.port}\n tls-service-pem: "{self.home}/own0.pem"\n'
            f' tls-service-key: "{self.home}/own0.key"\n local-zone: "{HOSTS[0]}." static\n'
            f" local-data: '{HOSTS[0]}. TXT \"{PLACEHOLDER_BODY}\"'\nremote-control:\n control-enable: no\n"
        )

    def command(self):
        return [self.executable, "-d", "-c", self.home / "unbound.conf"]

    request = NamedSeveral.request
    is_answer = NamedSeveral.is_answer


class BareVsftpd(Bare):
    """TLS from the first byte (implicit_ssl)."""

    name = "vsftpd"
    executable = str(UNPACKED / "vsftpd/usr/sbin/vsftpd")

    def configure(self):
        (self.home / "empty").mkdir(mode=0o555)
        (self.home / "vsftpd.conf").write_text(
            f"listen=YES\nlisten_address=127.0.0.1\nlisten_port={self.port}\nbackground=NO\nanonymous_enable=YES\n"
            f"secure_chroot_dir={self.home}/empty\nssl_enable=YES\nallow_anon_ssl=YES\nimplicit_ssl=YES\nssl_ciphers=HIGH\n"
            f"rsa_cert_file={self.home}/own0.pem\nrsa_private_key_file={self.home}/own0.key\nseccomp_sandbox=NO\n"
        )

    def command(self):
        return [self.executable, self.home / "vsftpd.conf"]

    def request(self, host):
        return b"QUIT\r\n"

    def is_answer(self, data, host):
        return data.startswith(b"220 ") and b"221 " in data


class BareMariadb(Bare):
    """Speaks first and in plaintext; judged by the line that says that it has TLS, and by a client's handshake."""

    name = "mariadb"
    executable = "/usr/sbin/mariadbd"
    starttls = "mysql"

    def configure(self):
        data = self.home / "data"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
             "--skip-test-db", "--user=mysql", "--innodb-log-file-size=4M"],
            cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=True,
        )
        shutil.chown(data, "mysql")

    def command(self):
        return [
            self.executable, "--no-defaults", "--user=mysql", f"--datadir={self.home}/data", "--bind-address=127.0.0.1",
            f"--port={self.port}", "--socket=socket", "--skip-name-resolve", "--innodb-log-file-size=4M",
            "--innodb-buffer-pool-size=8M", f"--pid-file={self.home}/data/pid", f"--ssl-cert={self.home}/own0.pem",
            f"--ssl-key={self.home}/own0.key",
        ]


class BarePostfix(Bare):
    """smtpd alone, TLS from the first byte."""

    name = "postfix"
    executable = "/usr/lib/postfix/sbin/smtpd"

    def configure(self):
        for name in ("config", "queue", "data"):
            (self.home / name).mkdir()
        shutil.chown(self.home / "data", "postfix", "postfix")
        (self.home / "config" / "main.cf").write_text(
            f"compatibility_level = 3.6\nqueue_directory = {self.home}/queue\ndata_directory = {self.home}/data\n"
            "command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\n"
            f"setgid_group = postdrop\nmaillog_file = {self.home}/mail.log\nmaillog_file_prefixes = {self.home}\n"
            "inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = one.example\nmydestination =\n"
            "mynetworks = 127.0.0.0/8\nalias_maps =\nlocal_recipient_maps =\n"
            f"smtpd_tls_cert_file = {self.home}/own0.pem\nsmtpd_tls_key_file = {self.home}/own0.key\n"
            "smtpd_tls_security_level = encrypt\n"
        )
        (self.home / "config" / "master.cf").write_text(
            f"127.0.0.1:{self.port} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
            "cleanup unix n - n - 0 cleanup\nrewrite unix - - n - - trivial-rewrite\nanvil unix - - n - 1 anvil\n"
            "tlsmgr unix - - n 1000? 1 tlsmgr\nproxymap unix - - n - - proxymap\npostlog unix-dgram n - n - 1 postlogd\n"
        )
        for name in ("postfix-script", "post-install", "postfix-files"):
            (self.home / "config" / name).symlink_to(Path("/etc/postfix") / name)

    def command(self):
        return ["/usr/sbin/postfix", "-c", self.home / "config", "start-fg"]

    def stop(self):
        """Its foreground process is a shell that waits for master."""
        if self.process is not None and self.process.poll() is None:
            subprocess.run(
                ["/usr/sbin/postfix", "-c", self.home / "config", "stop"], stdin=subprocess.DEVNULL, capture_output=True,
                timeout=20, check=False,
            )
        return super().stop()

    def request(self, host):
        return b"EHLO client.example\r\nQUIT\r\n"

    def is_answer(self, data, host):
        return b"250-one.example" in data and b"221 2.0.0 Bye" in data


BARE = (
    BareMosquitto, BareRedis, BareVsftpd, BarePostfix, BareMemcached, BareUnbound, BareNamed, BareNcat, BareSocat, BareWeborf,
    BareUvicorn, BareAsyncio, BareApache,
)
