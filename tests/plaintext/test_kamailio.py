# SPDX-License-Identifier: Apache-2.0
"""A server whose connections only the relay can carry: what is said where it has another engine."""

from support.live import Live
from support.procs import wait_until

from plaintext.kamailio import MESSAGE, Kamailio
from plaintext.listener import Listener
from plaintext.row import Row

ANSWER = b"SIP/2.0 200 OK"
CLIENTS = 4


class TestKamailio(Row):
    def test_kamailio(self):
        self.row(Kamailio)


class Unserved(Listener):
    def one(self, engine):
        """How many of several clients, one after the other, are served."""
        self.log = self.home / "keeper.log"
        self.start(Kamailio, sections={"tlsgraft": {"log": self.log}}, engine=engine)
        served = 0
        for _ in range(CLIENTS):
            with Live(self.server.port, self.good) as client:
                served += client.ask(MESSAGE.encode(), lambda data: data.endswith(b"\r\n\r\n")).startswith(ANSWER)
        return served

    def said(self):
        return [line for line in self.log.read_text().splitlines() if "to another process" in line]

    def assert_reported(self, text, status):
        wait_until(self.said, 5, "a warning")
        done = self.graft.command("status", self.server.pid)
        self.assertEqual(done.returncode, status, done.stdout)
        self.assertIn(text, done.stdout)
        self.assertTrue(self.plaintext()["needs_relay"])
        (line,) = self.said()
        self.assertIn("listener plain: ", line)
        self.assertIn(text, line)

    def test_direct(self):
        self.assertEqual(self.one("direct"), 0)
        self.counted("closed", CLIENTS)
        self.assert_reported("engine = relay carries them", 1)

    def test_auto(self):
        self.assertEqual(self.one("auto"), CLIENTS - 1)
        self.counted("closed", 1)
        self.assert_reported("by engine = relay the first one, too", 0)

    def test_relay(self):
        self.assertEqual(self.one("relay"), CLIENTS)
        self.assertEqual(self.plaintext()["closed"], 0)
        self.assertFalse(self.plaintext()["needs_relay"])
        self.assertEqual(self.said(), [])
