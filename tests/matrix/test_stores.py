# SPDX-License-Identifier: Apache-2.0
"""Message brokers, stores, caches."""

from matrix.columns import Matrix

from servers.memcached import Memcached
from servers.mosquitto import Mosquitto
from servers.redis import Redis


class Stores(Matrix):
    def test_mosquitto(self):
        self.row(Mosquitto)

    def test_redis(self):
        self.row(Redis)

    def test_memcached(self):
        self.row(Memcached)
