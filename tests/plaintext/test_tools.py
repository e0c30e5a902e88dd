# SPDX-License-Identifier: Apache-2.0
"""Files, shells, and what executes a command for each connection."""

from plaintext.row import Row
from plaintext import files, tools


class Tools(Row):
    def test_vsftpd(self):
        self.row(files.Vsftpd)

    def test_proftpd(self):
        self.row(files.Proftpd)

    def test_rsyncd(self):
        self.row(files.Rsyncd)

    def test_inetd(self):
        self.row(files.InetdRsync)

    def test_sshd(self):
        self.row(files.Sshd)

    def test_xinetd(self):
        self.row(tools.Xinetd)

    def test_socat(self):
        self.row(tools.Socat)

    def test_ncat(self):
        self.row(tools.Ncat)

    def test_nc_traditional(self):
        self.row(tools.NcTraditional)

    def test_nc_openbsd(self):
        self.row(tools.NcOpenbsd)

    test_inetd.under_asan = test_ncat.under_asan = test_nc_traditional.under_asan = True
