# SPDX-License-Identifier: Apache-2.0
"""A plaintext HTTP server for what terminates TLS in front of another, in a thread of the test."""

import http.server
import threading

from support.server import PLACEHOLDER_BODY


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        body = f"{PLACEHOLDER_BODY} {self.headers.get('Host', '?').partition(':')[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Backend:
    """Answers until `stop`."""

    def __init__(self):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
