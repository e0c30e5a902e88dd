# SPDX-License-Identifier: Apache-2.0
"""Which servers a test of all of them goes through; the matrix has more (tests/matrix)."""

from servers.apache import Apache
from servers.haproxy import Haproxy
from servers.lighttpd import Lighttpd
from servers.memcached import Memcached
from servers.mosquitto import Mosquitto
from servers.nginx import Nginx
from servers.node import Node
from servers.python_ssl import PythonSsl
from servers.redis import Redis
from servers.terminators import Hitch, Stunnel

SERVERS = (Nginx, Apache, Haproxy, Mosquitto, Redis, PythonSsl)
NO_HARM = (*SERVERS, Lighttpd, Stunnel, Hitch, Memcached, Node)
