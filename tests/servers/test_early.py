# SPDX-License-Identifier: Apache-2.0
"""TLS 1.3 early data comes from a client that has proved nothing yet: none is taken where clients are verified."""

import subprocess

from support import client
from support.case import ServerCase

from servers.nginx import Nginx


class Early(ServerCase):
    def outcome(self, server, session):
        """What s_client says of early data on a resumed connection."""
        good = self.pki.clients["good"]
        request = self.home / "request"
        request.write_bytes(server.request("one.example"))
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-servername", "one.example", "-tls1_3"]
        command += ["-cert", good.cert, "-key", good.key, "-sess_in", session, "-early_data", request]
        done = subprocess.run(
            [str(word) for word in command], input=b"", capture_output=True, timeout=20, check=False
        )
        words = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("Early data was")]
        self.assertEqual(len(words), 1, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace"))
        return words[0]

    def session(self, server, name):
        path = self.home / name
        self.probe(server, client.TLS13, self.pki.clients["good"], session_out=path)
        self.assertTrue(path.exists(), "the server gave no session")
        return path

    def start(self, keys):
        return self.grafted(Nginx, self.ini({"server": keys}), workers=1, more="ssl_early_data on;")

    def test_taken_where_nothing_governs(self):
        server = self.start({"mode": "off"})
        self.assertEqual(self.outcome(server, self.session(server, "off")), "Early data was accepted")

    def test_not_taken_under_mutual(self):
        server = self.start(self.mutual(self.pki.server("rsa")))
        self.assertNotEqual(self.outcome(server, self.session(server, "mutual")), "Early data was accepted")

    def test_a_session_that_allows_it_is_worth_nothing_after_the_change(self):
        server = self.start({"mode": "off"})
        session = self.session(server, "before")
        self.ini({"server": self.mutual(self.pki.server("rsa"))})
        self.assert_reloaded(server)
        self.assertEqual(self.outcome(server, session), "Early data was rejected")
