# SPDX-License-Identifier: Apache-2.0
"""What ends TLS in front of something else."""

from matrix.columns import Matrix

from servers.haproxy import Haproxy, HaproxySingle
from servers.nginx_proxy import NginxImap, NginxImaps, NginxSmtps, NginxStream
from servers.terminators import Hitch, Stunnel
from servers.tools import Ncat, Socat


class Proxies(Matrix):
    def test_haproxy(self):
        self.row(Haproxy)

    def test_haproxy_single(self):
        self.row(HaproxySingle)

    def test_nginx_stream(self):
        self.row(NginxStream)

    def test_nginx_imaps(self):
        self.row(NginxImaps)

    def test_nginx_starttls(self):
        self.row(NginxImap)

    def test_nginx_smtps(self):
        self.row(NginxSmtps)

    def test_stunnel(self):
        self.row(Stunnel)

    def test_hitch(self):
        self.row(Hitch)

    def test_socat(self):
        self.row(Socat)

    def test_ncat(self):
        self.row(Ncat)
