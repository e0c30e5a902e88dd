# SPDX-License-Identifier: Apache-2.0
"""mosquitto: one process, which drops to the user mosquitto before it reads its certificate."""

import signal

from support.facts import OwnReload
from support.server import Server

# Protocol 3.1.1, clean session; a second client of the same name would end the first one's connection.
CONNECT = bytes.fromhex("100e00044d5154540402003c00027467")
CONNECT_AGAIN = bytes.fromhex("100e00044d5154540402003c00026c76")
PINGREQ = bytes.fromhex("c000")
DISCONNECT = bytes.fromhex("e000")
CONNACK = bytes.fromhex("20020000")
PINGRESP = bytes.fromhex("d000")


class Mosquitto(Server):
    name = "mosquitto"
    executable = "/usr/sbin/mosquitto"
    user = "mosquitto"
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, says="Reloading config."),)
    notes = "reads its own key as the user mosquitto"
    client = "mosquitto_pub"

    def configure(self):
        native = ""
        if self.native:
            native = f"require_certificate true\ncafile {self.native.ca.cert}\ncrlfile {self.native.crl}\n"
        self.readable("own0.key")
        (self.home / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser mosquitto\nlog_dest stderr\n"
            f"certfile {self.home}/own0.pem\nkeyfile {self.home}/own0.key\n{native}"
        )

    def command(self):
        return [self.executable, "-c", self.home / "mosquitto.conf"]

    def request(self, host):
        return CONNECT + PINGREQ + DISCONNECT

    def conversation(self, host):
        return [(CONNECT_AGAIN, CONNACK), (PINGREQ, PINGRESP)]

    def client_words(self, who, ca):
        words = ["mosquitto_pub", "-h", "localhost", "-p", self.port, "-t", "topic", "-m", "text", "-q", 1, "-d"]
        words += ["--cafile", ca, "--insecure"]
        return words + (["--cert", who.cert, "--key", who.key] if who else [])

    def client_served(self, done):
        return done.returncode == 0 and b"PUBACK" in done.stdout

    def is_answer(self, data, host):
        return data == CONNACK + PINGRESP
