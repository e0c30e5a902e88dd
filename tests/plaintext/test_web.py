# SPDX-License-Identifier: Apache-2.0
"""Web servers and proxies."""

from plaintext.row import Row
from plaintext import applications, web


class Web(Row):
    def test_nginx(self):
        self.row(web.Nginx)

    def test_apache(self):
        self.row(web.Apache)

    def test_lighttpd(self):
        self.row(web.Lighttpd)

    def test_python3_http(self):
        self.row(web.PythonHttp)

    def test_busybox(self):
        self.row(web.Busybox)

    def test_webfsd(self):
        self.row(web.Webfs)

    def test_weborf(self):
        self.row(web.Weborf)

    def test_tinyproxy(self):
        self.row(web.Tinyproxy)

    def test_haproxy(self):
        self.row(web.Haproxy)

    def test_node(self):
        self.row(applications.Node)

    def test_java(self):
        self.row(applications.Java)

    def test_gunicorn(self):
        self.row(applications.Gunicorn)

    def test_uvicorn(self):
        self.row(applications.Uvicorn)

    def test_static_openssl(self):
        self.row(applications.StaticOpenssl)

    test_nginx.under_asan = test_apache.under_asan = test_node.under_asan = test_tinyproxy.under_asan = True
