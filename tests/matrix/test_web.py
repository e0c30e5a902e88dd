# SPDX-License-Identifier: Apache-2.0
"""Web servers and application servers."""

from matrix.columns import Matrix

from servers.apache import Apache
from servers.lighttpd import Lighttpd
from servers.nginx import Nginx
from servers.node import Node
from servers.python_ssl import PythonSsl
from servers.python_web import Gunicorn, Uvicorn


class Web(Matrix):
    def test_nginx(self):
        self.row(Nginx, daemon=True)

    def test_apache(self):
        self.row(Apache)

    def test_lighttpd(self):
        self.row(Lighttpd)

    def test_node(self):
        self.row(Node)

    def test_python(self):
        self.row(PythonSsl)

    def test_gunicorn(self):
        self.row(Gunicorn)

    def test_uvicorn(self):
        self.row(Uvicorn)
