# SPDX-License-Identifier: Apache-2.0
"""gunicorn and uvicorn, which serve an application of a few lines."""

import signal

from support.facts import OwnReload
from support.server import PLACEHOLDER_BODY, HttpServer

_WSGI = f"""
def app(environ, start):
    body = ("{PLACEHOLDER_BODY} " + environ["HTTP_HOST"].partition(":")[0] + "\\n").encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

_ASGI = f"""
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    host = dict(scope["headers"])[b"host"].partition(b":")[0]
    body = b"{PLACEHOLDER_BODY} " + host + b"\\n"
    length = str(len(body)).encode()
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}})
    await send({{"type": "http.response.body", "body": body}})
"""


class PythonWeb(HttpServer):
    executable = "/usr/bin/python3"
    hosts = 1
    application = "?"

    def configure(self):
        (self.home / "served.py").write_text(self.application)
        self.readable("own0.key")


class Gunicorn(PythonWeb):
    name = "gunicorn"
    application = _WSGI
    processes = 2
    user = "www-data"
    notes = "each worker reads its own key again, as www-data"
    resumes = {"1.2": False, "1.3": False}
    no_resumption = "it makes a context for each connection"
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, replaces=True),)

    def command(self):
        return [
            "/usr/bin/gunicorn", "--workers", 2, "--worker-class", "gthread", "--threads", 4, "--keep-alive", 60,
            "--user", "www-data", "--group", "www-data", "--bind", f"127.0.0.1:{self.port}", "--chdir", self.home,
            "--keyfile", self.home / "own0.key", "--certfile", self.home / "own0.pem", "served:app",
        ]


class Uvicorn(PythonWeb):
    name = "uvicorn"
    application = _ASGI
    run_user = "www-data"
    hangup_ends = True

    def command(self):
        return [
            "/usr/bin/uvicorn", "--host", "127.0.0.1", "--port", self.port, "--timeout-keep-alive", 60,
            "--app-dir", self.home,
            "--ssl-keyfile", self.home / "own0.key", "--ssl-certfile", self.home / "own0.pem", "served:app",
        ]
