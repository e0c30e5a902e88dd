# SPDX-License-Identifier: Apache-2.0
"""A server under attack: what its data look like, who its right client is, whether its processes live."""

import re
import socket
import ssl

from support import procs
from support.client import TLS12, TLS13
from support.pki import HOSTS

_DEATHS = re.compile(
    r"signal (4|6|7|8|11)\b|SIGSEGV|SIGABRT|code 13[4-9]|exit signal|ERROR: AddressSanitizer|runtime error: "
    r"|Segmentation fault|Assertion .* failed|double free|corrupt"
)
_LIMIT = 5.0  # seconds for an answer that must come


class Target:
    """`server` runs. Everything that is asked of it goes through here."""

    def __init__(self, server, pki, tree):
        self.server = server
        self.tree = tree  # asks for its status
        self.pki = pki
        self.name = server.label
        self.processes = {}
        self._contexts = {}

    def speak_first(self, opened):
        """What comes before TLS on this port."""
        self.server.prelude(opened)

    @property
    def attack_request(self):
        """With a side effect, where the protocol has one."""
        return self.server.side_effect + self.server.request(HOSTS[0])

    # the right client

    def _context(self, version, who):
        key = version, who
        if key not in self._contexts:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
            made.minimum_version = made.maximum_version = (
                ssl.TLSVersion.TLSv1_3 if version == TLS13 else ssl.TLSVersion.TLSv1_2
            )
            if who:
                made.load_cert_chain(who.cert, who.key)
            self._contexts[key] = made
        return self._contexts[key]

    def ask(self, version, who, request):
        """One connection of an ordinary client: all data that came until the answer was whole or the server closed."""
        data = b""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=_LIMIT) as opened:
            self.speak_first(opened)
            with self._context(version, who).wrap_socket(opened, server_hostname=HOSTS[0]) as connection:
                connection.sendall(request)
                while not self.server.is_answer(data, HOSTS[0]):
                    try:
                        piece = connection.recv(65536)
                    except ssl.SSLEOFError:
                        break
                    if not piece:
                        break
                    data += piece
        return data

    def serves_the_right_client(self, version):
        """Whether it is served, and None or what it found that an attack left behind."""
        who = self.pki.clients["good"]
        try:
            if not self.server.is_answer(self.ask(version, who, self.server.request(HOSTS[0])), HOSTS[0]):
                return False
        except (OSError, ssl.SSLError):
            return False
        return True

    def has_side_effect(self):
        """A side effect of an attack is there: some request of it was carried out."""
        if not self.server.side_effect:
            return False
        return self.server.shows_side_effect(self.ask(TLS12, self.pki.clients["good"], self.server.side_effect_request))

    # crashes

    def watch(self):
        """Notes which processes must outlive every attack: those that are there before it begins."""
        for version in (TLS12, TLS13):
            if not self.serves_the_right_client(version):
                logs = self.server.logs()
                raise AssertionError(f"{self.name} does not serve the right client over TLS {version}\n{logs}")
        pids = [self.server.pid, *procs.descendants(self.server.pid)]
        if self.server.forks_per_connection:
            pids = pids[:1]
        pids += self.server.beside(self.tree())
        self.processes = {pid: procs.start_time(pid) for pid in pids}
        self.deaths = self._deaths_in_logs()

    def _deaths_in_logs(self):
        found = 0
        for path in self.server.home.glob("*.log"):
            found += len(_DEATHS.findall(path.read_text(errors="replace")))
        return found

    def lost_process(self):
        """A process that died since `watch`, or a death that a log tells of; "" where none did."""
        for pid, started in self.processes.items():
            if not procs.alive(pid) or procs.start_time(pid) != started:
                return f"process {pid}"
        if self._deaths_in_logs() > self.deaths:
            return "a log"
        return ""
