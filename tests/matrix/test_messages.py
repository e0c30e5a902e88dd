# SPDX-License-Identifier: Apache-2.0
"""Protocols of short messages over TLS: DNS, RADIUS, STUN."""

from matrix.columns import Matrix

from servers.bind import Bind
from servers.coturn import Coturn
from servers.freeradius import Freeradius
from servers.unbound import Unbound


class Messages(Matrix):
    def test_bind(self):
        self.row(Bind)

    def test_coturn(self):
        self.row(Coturn)

    def test_freeradius(self):
        self.row(Freeradius)

    def test_unbound(self):
        self.row(Unbound)
