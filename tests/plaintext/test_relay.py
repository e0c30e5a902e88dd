# SPDX-License-Identifier: Apache-2.0
"""The same rows with `engine = relay`: every connection is carried by the relay from its acceptance on."""

from plaintext import files, stores, tools, web
from plaintext.row import Row


class Relay(Row):
    keys = {"engine": "relay"}
    on_page = False

    def relayed(self, kind):
        self.row(type(kind.__name__, (kind,), {"engine": "relay"}))

    def test_redis(self):
        self.relayed(stores.Redis)

    def test_memcached(self):
        self.relayed(stores.Memcached)

    def test_mariadb(self):
        self.relayed(stores.Mariadb)

    def test_slapd(self):
        self.relayed(stores.Slapd)

    def test_nginx(self):
        self.relayed(web.Nginx)

    def test_proftpd(self):
        self.relayed(files.Proftpd)

    def test_vsftpd(self):
        self.relayed(files.Vsftpd)

    def test_inetd(self):
        self.relayed(files.InetdRsync)

    def test_sshd(self):
        self.relayed(files.Sshd)

    def test_xinetd(self):
        self.relayed(tools.Xinetd)

    def test_nc_traditional(self):
        self.relayed(tools.NcTraditional)
