# SPDX-License-Identifier: Apache-2.0
"""Apache with mod_ssl and the event MPM, two virtual hosts."""

import signal

from support.facts import OwnReload
from support.pki import HOSTS
from support.server import PLACEHOLDER_BODY, HttpServer

_HOST = """
<VirtualHost 127.0.0.1:{port}>
    ServerName {host}
    DocumentRoot {home}/www{number}
    SSLEngine on
    SSLCertificateFile {home}/own{number}.pem
    SSLCertificateKeyFile {home}/own{number}.key
    {native}
</VirtualHost>
"""

_CONFIG = """
ServerRoot {home}
ServerName localhost
DefaultRuntimeDir {home}
PidFile {home}/apache.pid
Mutex file:{home} default
ErrorLog {home}/error.log
LogLevel info
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
StartServers 2
ServerLimit 2
ThreadsPerChild 8
MaxRequestWorkers 16
Timeout 20
KeepAliveTimeout 60
SSLSessionCache shmcb:{home}/sessions(512000)
SSLProtocol all -SSLv3
Listen 127.0.0.1:{port}
<Directory {home}>
    Require all granted
</Directory>
{hosts}
"""


class Apache(HttpServer):
    name = "apache2"
    executable = "/usr/sbin/apache2"
    user = "www-data"
    title = "Apache"
    processes = 2
    own_reloads = (
        OwnReload("SIGHUP (restart)", signal.SIGHUP, replaces=True),
        OwnReload("SIGUSR1 (graceful)", signal.SIGUSR1, replaces=True),
    )

    def configure(self):
        native = ""
        if self.native:
            native = (
                f"SSLVerifyClient require\n    SSLVerifyDepth 5\n    SSLCACertificateFile {self.native.ca.cert}\n"
                f"    SSLCARevocationFile {self.native.crl}\n    SSLCARevocationCheck leaf"
            )
        hosts = ""
        for number in range(len(self.own)):
            folder = self.home / f"www{number}"
            folder.mkdir()
            (folder / "index.html").write_text(f"{PLACEHOLDER_BODY} {HOSTS[number]}\n")
            hosts += _HOST.format(port=self.port, host=HOSTS[number], home=self.home, number=number, native=native)
        (self.home / "apache.conf").write_text(
            _CONFIG.format(home=self.home, port=self.port, hosts=hosts) + self._index()
        )

    @staticmethod
    def _index():
        # mod_dir gives "/" its index.html
        return "LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\nDirectoryIndex index.html\n"

    def command(self):
        return [self.executable, "-f", self.home / "apache.conf", "-DFOREGROUND"]
