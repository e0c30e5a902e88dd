# SPDX-License-Identifier: Apache-2.0
"""Servers whose clients ask for TLS after a few words in plaintext, and their ports that begin with TLS."""

from matrix.columns import Matrix

from servers.dovecot import Dovecot, DovecotImaps
from servers.mariadb import Mariadb
from servers.postfix import Postfix, PostfixSmtps
from servers.postgresql import Postgresql
from servers.proftpd import Proftpd
from servers.vsftpd import Vsftpd


class Starttls(Matrix):
    def test_dovecot(self):
        self.row(Dovecot)

    def test_dovecot_imaps(self):
        self.row(DovecotImaps)

    def test_mariadb(self):
        self.row(Mariadb)

    def test_postfix(self):
        self.row(Postfix)

    def test_postfix_smtps(self):
        self.row(PostfixSmtps)

    def test_postgresql(self):
        self.row(Postgresql)

    def test_proftpd(self):
        self.row(Proftpd)

    def test_vsftpd(self):
        self.row(Vsftpd)
