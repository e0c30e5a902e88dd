# SPDX-License-Identifier: Apache-2.0
"""lighttpd with mod_openssl: one process as www-data, two certificates of its own by host."""

import signal

from support.facts import OwnReload
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY, HttpServer

_CONFIG = """
server.modules = ("mod_indexfile", "mod_openssl", "mod_staticfile")
server.document-root = "{home}/www0"
server.upload-dirs = ("{home}")
server.username = "www-data"
server.groupname = "www-data"
server.bind = "127.0.0.1"
server.port = {port}
server.feature-flags += ("server.graceful-shutdown-timeout" => 5)
server.max-keep-alive-idle = 60
index-file.names = ("index.txt")
ssl.engine = "enable"
ssl.pemfile = "{home}/own0.pem"
ssl.privkey = "{home}/own0.key"
"""

_HOST = """
$HTTP["host"] == "{host}" {{
    server.document-root = "{home}/www{number}"
    ssl.pemfile = "{home}/own{number}.pem"
    ssl.privkey = "{home}/own{number}.key"
}}
"""


class Lighttpd(HttpServer):
    name = "lighttpd"
    executable = "/usr/sbin/lighttpd"
    user = "www-data"
    reload_signal = "USR1"
    notes = "its SIGHUP reopens logs alone, so `reload_signal = USR1`; at a graceful restart it reads its own key as www-data"
    own_reloads = (OwnReload("SIGUSR1 (graceful restart)", signal.SIGUSR1, says="server started"),)

    def configure(self):
        text = _CONFIG.format(home=self.home, port=self.port)
        for number in range(len(self.own)):
            folder = self.home / f"www{number}"
            folder.mkdir()
            (folder / "index.txt").write_text(f"{PLACEHOLDER_BODY} {HOSTS[number]}\n")
            if number:
                text += _HOST.format(home=self.home, host=HOSTS[number], number=number)
            self.readable(f"own{number}.key")
        (self.home / "lighttpd.conf").write_text(text)

    def command(self):
        return [self.executable, "-D", "-f", self.home / "lighttpd.conf"]
