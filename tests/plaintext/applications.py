# SPDX-License-Identifier: Apache-2.0
"""Servers of languages: Node.js, Java, Python's, and one in C that has an OpenSSL of its own inside."""

import hashlib
import re
import subprocess

from support.build import compiled
from support.server import PLACEHOLDER_BODY

from plaintext.server import UNPACKED, HttpServer, LineServer

_NODE = """
require("http").createServer((request, response) => {
    console.error("from", request.socket.remoteAddress);
    response.end("%s\\n");
}).listen(Number(process.argv[2]), "127.0.0.1");
"""


class Node(HttpServer):
    """libuv closes its sockets by a system call of its own."""

    name = "nodejs"
    title = "Node.js (Debian's)"
    executable = UNPACKED / "nodejs/usr/bin/node"
    run_user = "www-data"
    libraries = {"LD_LIBRARY_PATH": str(UNPACKED / "libnode108/usr/lib/x86_64-linux-gnu")}
    notes = "closes its sockets by raw system calls"

    @classmethod
    def version(cls):
        done = subprocess.run([cls.executable, "--version"], env=cls.libraries, capture_output=True, text=True, check=True)
        return ".".join(done.stdout.strip().lstrip("v").split(".")[:2])

    def configure(self):
        (self.home / "server.js").write_text(_NODE % PLACEHOLDER_BODY)

    def start(self, wrap=(), environment=None, wait=True):
        return super().start(wrap, {**self.libraries, **(environment or {})}, wait)

    def command(self):
        return [self.executable, self.home / "server.js", self.port]


_JAVA = """
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Main {
    public static void main(String[] words) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(Integer.parseInt(words[0])), 0);
        server.createContext("/", exchange -> {
            System.err.println("from " + exchange.getRemoteAddress());
            byte[] body = "%s\\n".getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
"""


class Java(HttpServer):
    name = "java"
    title = "Java HttpServer"
    executable = "/usr/lib/jvm/default-java/bin/java"
    package = "openjdk-17-jre-headless"
    run_user = "www-data"
    reload_signal = "none"
    notes = "listens on IPv6 for IPv4 clients; `reload_signal = none`, as Java has handlers of its own"

    def configure(self):
        (self.home / "Main.java").write_text(_JAVA % PLACEHOLDER_BODY)

    def command(self):
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m"]
        return [self.executable, *quick, self.home / "Main.java", self.port]


_WSGI = f"""
def app(environ, start):
    body = b"{PLACEHOLDER_BODY}\\n"
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

_ASGI = f"""
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b"{PLACEHOLDER_BODY}\\n"
    length = str(len(body)).encode()
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}})
    await send({{"type": "http.response.body", "body": body}})
"""


class Gunicorn(HttpServer):
    """Its stock worker takes one connection at a time, and closes it."""

    name = "gunicorn"
    executable = "/usr/bin/python3"
    address_in = "access log"
    serial = True

    def configure(self):
        (self.home / "served.py").write_text(_WSGI)

    def talk(self):
        return [(self.get("/"), None)]

    def command(self):
        return [
            "/usr/bin/gunicorn", "--user", "www-data", "--group", "www-data", "--bind", f"127.0.0.1:{self.port}",
            "--chdir", self.home, "--access-logfile", "-", "served:app",
        ]


class Uvicorn(HttpServer):
    name = "uvicorn"
    executable = "/usr/bin/python3"
    run_user = "www-data"
    address_in = "access log"

    def configure(self):
        (self.home / "served.py").write_text(_ASGI)

    def command(self):
        return ["/usr/bin/uvicorn", "--host", "127.0.0.1", "--port", self.port, "--app-dir", self.home, "served:app"]


class StaticOpenssl(LineServer):
    """It uses its own OpenSSL for what it answers, and exports every name of it."""

    name = "static-openssl"
    executable = "/usr/bin/true"  # compiled when it is made
    title = "a program with a static OpenSSL"
    package = "libssl-dev"
    run_user = "nobody"
    notes = "its OpenSSL's names are exported, which would capture the calls of a libssl opened plainly; it goes on to use its own"
    proof = hashlib.sha256(b"hello").hexdigest().encode()

    def configure(self):
        self.executable = compiled("static_openssl.c", "-l:libssl.a", "-l:libcrypto.a", "-ldl", "-pthread", "-rdynamic")

    def talk(self):
        return [(b"hello\n", b"\n"), (b"more\nquit\n", None)]

    def same(self, data):
        return re.sub(rb"from 127\.[.\d]+\n", b"from CLIENT\n", data)

    def command(self):
        return [self.executable, self.port]
