# SPDX-License-Identifier: Apache-2.0
"""A threaded HTTPS server on Python's ssl module: https_server.py METHOD PORT NATIVE_CA NATIVE_CRL HOST CERT KEY ...

METHOD: a name of ssl's, say PROTOCOL_TLS_SERVER; with ":loose" behind it, every suite, old versions and renegotiation. One context for each HOST; the SNI callback switches to it. NATIVE_CA
"-": no client is asked for a certificate.
"""

import http.server
import ssl
import sys

_ALLOW_CLIENT_RENEGOTIATION = 1 << 8  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION, which Python has no name for


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def do_GET(self):
        body = f"server-data {self.headers.get('Host', '?')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    context = None

    def finish_request(self, request, client_address):
        # The handshake belongs into the connection's thread: a slow client must not hold up the others.
        request.settimeout(30)
        with self.context.wrap_socket(request, server_side=True) as connection:
            self.RequestHandlerClass(connection, client_address, self)
            try:
                connection.unwrap()
            except OSError:
                pass  # the client was quicker

    def handle_error(self, request, client_address):
        print("refused:", sys.exc_info()[1], file=sys.stderr, flush=True)


def context(method, cert, key, native_ca, native_crl):
    protocol, _, loose = method.partition(":")
    made = ssl.SSLContext(getattr(ssl, protocol))
    if loose:
        made.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.options |= _ALLOW_CLIENT_RENEGOTIATION
    made.load_cert_chain(cert, key)
    if native_ca != "-":
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(native_ca)
        made.load_verify_locations(native_crl)
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return made


def main():
    method, port, native_ca, native_crl, *hosts = sys.argv[1:]
    contexts = {
        host: context(method, cert, key, native_ca, native_crl)
        for host, cert, key in zip(hosts[::3], hosts[1::3], hosts[2::3])
    }
    default = contexts[hosts[0]]

    def switch(connection, name, _):
        if name in contexts:
            connection.context = contexts[name]

    default.sni_callback = switch
    Server.context = default
    Server(("127.0.0.1", int(port)), Handler).serve_forever()


main()
