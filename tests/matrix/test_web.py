"""Web servers and TLS terminators."""

from matrix.columns import Matrix

from servers.apache import Apache
from servers.haproxy import Haproxy, HaproxySingle
from servers.nginx import Nginx
from servers.python_ssl import PythonSsl


class Web(Matrix):
    def test_nginx(self):
        self.row(Nginx, daemon=True)

    def test_apache(self):
        self.row(Apache)

    def test_haproxy(self):
        self.row(Haproxy)

    def test_haproxy_single(self):
        self.row(HaproxySingle)

    def test_python(self):
        self.row(PythonSsl)
