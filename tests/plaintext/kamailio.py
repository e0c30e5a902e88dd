# SPDX-License-Identifier: Apache-2.0
"""A SIP server one process of which accepts connections, waits for them, and passes each to others that read and write it."""

import re

from plaintext.server import PlainServer, by_lines

MESSAGE = (
    "OPTIONS sip:anybody@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5999;branch=z9hG4bK1\r\nFrom: <sip:x@y>;tag=1\r\n"
    "To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Kamailio(PlainServer):
    name = "kamailio"
    title = "Kamailio (SIP over TCP)"
    executable = "/usr/sbin/kamailio"
    engine = "relay"
    keys = {"engine": "relay"}
    client = "socat"
    proof = b"SIP/2.0 200 OK"
    address_in = "answer"
    notes = (
        "with `engine = relay`; with `auto` its first connection is closed, which one process waits for and another one reads;"
        " `status` and the log say so"
    )

    def configure(self):
        (self.home / "kamailio.cfg").write_text(
            "#!KAMAILIO\nlog_stderror=yes\nchildren=1\ntcp_children=2\ntcp_connection_lifetime=1\n"
            f'listen=tcp:127.0.0.1:{self.port}\nloadmodule "sl.so"\n'
            'request_route { sl_send_reply("200", "OK"); }\n'
        )

    def command(self):
        return [self.executable, "-f", self.home / "kamailio.cfg", "-DD", "-E", "-m", "32", "-M", "4", "-Y", self.home]

    def talk(self):
        return [(MESSAGE.encode(), b"\r\n\r\n"), (MESSAGE.encode(), b"\r\n\r\n")]

    def same(self, data):
        return re.sub(rb";received=[\d.]+|;tag=[0-9a-f.-]{20,}", b"", data)

    def shows(self, address, said):
        return f";received={address}".encode() in said

    def words(self, port, tls):
        return by_lines(MESSAGE.replace("\r\n", "\\r\\n"), port, tls)
