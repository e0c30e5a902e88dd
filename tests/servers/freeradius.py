# SPDX-License-Identifier: Apache-2.0
"""FreeRADIUS: RadSec (RADIUS over TLS), as the user freerad. It uses ex_data slots that it never allocated."""

import signal

from support import radius
from support.facts import OwnReload
from support.server import PLACEHOLDER_BODY, Server

_CONFIG = """
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {home}
run_dir = {home}/run
raddbdir = {home}
name = freeradius
max_request_time = 10
cleanup_delay = 1
max_requests = 1024
hostname_lookups = no
log {{
    destination = files
    file = {home}/radius.log
}}
security {{
    max_attributes = 200
    reject_delay = 0
    status_server = yes
    allow_vulnerable_openssl = 'yes'
}}
proxy_requests = no
thread pool {{
    start_servers = 2
    max_servers = 4
    min_spare_servers = 1
    max_spare_servers = 2
    max_requests_per_server = 0
}}
modules {{
    pap {{
    }}
}}
listen {{
    type = auth
    proto = tcp
    ipaddr = 127.0.0.1
    port = {port}
    virtual_server = one
    clients = radsec
    limit {{
        max_connections = 0
        lifetime = 0
        idle_timeout = 30
    }}
    tls {{
        certificate_file = {home}/own0.pem
        private_key_file = {home}/own0.key
        tls_min_version = "1.2"
        tls_max_version = "1.3"
        {native}
    }}
}}
clients radsec {{
    client local {{
        ipaddr = 127.0.0.1
        proto = tls
        secret = radsec
        limit {{
            max_connections = 0
        }}
    }}
}}
server one {{
    authorize {{
        update control {{
            Cleartext-Password := "word"
        }}
        update reply {{
            Reply-Message := "{body}"
        }}
        pap
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
    }}
}}
"""


class Freeradius(Server):
    name = "freeradius"
    executable = "/usr/sbin/freeradius"
    title = "FreeRADIUS (RadSec)"
    user = run_user = "freerad"
    own_reloads = (OwnReload("SIGHUP", signal.SIGHUP, says="Received HUP signal"),)
    client_input = radius.access_request("tester", "word")
    resumes = {"1.2": False, "1.3": False}  # `cache { enable = no }`, as Debian ships it

    def configure(self):
        (self.home / "run").mkdir()
        (self.home / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n")
        native = "require_client_cert = no"
        if self.native:
            native = f"require_client_cert = yes\n        ca_file = {self.native.ca.cert}"
        (self.home / "radiusd.conf").write_text(
            _CONFIG.format(home=self.home, port=self.port, native=native, body=PLACEHOLDER_BODY)
        )

    def command(self):
        return [self.executable, "-f", "-n", "radiusd", "-d", self.home]

    def request(self, host):
        return radius.access_request("tester", "word")

    def conversation(self, host):
        return [(self.request(host), PLACEHOLDER_BODY.encode())]

    def client_served(self, done):
        return PLACEHOLDER_BODY.encode() in done.stdout

    def is_whole(self, data):
        return radius.whole(data)

    def is_answer(self, data, host):
        return radius.accepts(data, PLACEHOLDER_BODY)
