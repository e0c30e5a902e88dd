"""The six servers of the matrix."""

from servers.apache import Apache
from servers.haproxy import Haproxy
from servers.mosquitto import Mosquitto
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl
from servers.redis import Redis

SERVERS = (Nginx, Apache, Haproxy, Mosquitto, Redis, PythonSsl)
NO_HARM = SERVERS
