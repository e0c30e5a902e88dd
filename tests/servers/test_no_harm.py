# SPDX-License-Identifier: Apache-2.0
"""Do no harm: the same clients, with and without the shim where no section governs, see the same, message by message."""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

from support import procs
from support.case import ServerCase
from support.client import VERSIONS
from support.graft import write_ini
from support.pki import HOSTS

from servers.everyone import NO_HARM, SERVERS

# What differs from one connection to the next in every server.
_VOLATILE = re.compile(rb"(?im)^(date|last-modified|etag|expires):.*$")
_OUTCOMES = Path(__file__).resolve().parent.parent / "support" / "outcomes.py"
# Debian's own tests of what stands on Python's ssl module.
_PYTHON_TESTS = (
    "test_ssl", "test_httplib", "test_ftplib", "test_poplib", "test_imaplib", "test_urllib2_localnet",
    "test_asyncio.test_ssl", "test_asyncio.test_sslproto", "test_httpservers", "test_docxmlrpc", "test_nntplib",
)


# Those in which a client and a server of one process speak over memory: also where an address that nobody uses has a section.
_PAIRS_IN_MEMORY = ("test_ssl", "test_asyncio.test_sslproto")


def seen(result):
    """What one connection showed of the server, as far as it does not change by itself."""
    return {
        "version": result.version,
        "chain": result.chain_sha256,
        # a ticket is padded, and some of its numbers are random: now and then it takes a block more
        "messages": [(kind, None if kind == "NewSessionTicket" else size) for kind, size in result.received],
        "alerts": result.alerts,
        "resumed": result.resumed,
        "asked": result.asked,
        "names of CAs": result.ca_names,
        "data": _VOLATILE.sub(b"", result.data),
        "status": result.status,
    }


class NoHarm(ServerCase):
    under_asan = False

    def ini_of(self, kind, way):
        injected = self.pki.server("rsa")
        if way == "off":
            return self.ini({"server": {"mode": "off"}})
        return self.ini({"listener elsewhere": {"listen": "127.0.0.1:1", **self.mutual(injected)}})

    def raw(self, server, data):
        """What a client gets that speaks no TLS."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            answer = b""
            try:
                plain.sendall(data)
                plain.shutdown(socket.SHUT_WR)
                while chunk := plain.recv(4096):
                    answer += chunk
            except OSError:
                pass  # it closes at once, with or without what it has to say: whichever comes first
        return _VOLATILE.sub(b"", answer)

    def script(self, server, kind):
        """Every kind of client, in the same order each time."""
        transcript = {}
        clients = {"none": None, "good": self.pki.clients["good"], "wrong CA": self.pki.clients["wrong CA"]}
        for version in VERSIONS:
            for host in (*HOSTS[: kind.hosts], "unknown.example", None):
                for name, who in clients.items():
                    result = self.probe(server, version, who, host)
                    transcript[version, host, name] = seen(result)
            session = self.home / f"session{version}"
            session.unlink(missing_ok=True)
            good = clients["good"]
            transcript[version, "first"] = seen(self.probe(server, version, good, session_out=session))
            if session.exists():
                for host in HOSTS[: kind.hosts]:
                    again = self.probe(server, version, good, host, session_in=session)
                    transcript[version, "again", host] = seen(again)
            transcript[version, "no common cipher"] = seen(
                self.probe(server, version, more=["-cipher", "NULL-SHA256:@SECLEVEL=0", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256"])
            )
        transcript["old"] = seen(self.probe(server, None, more=["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]))
        transcript["plain"] = self.raw(server, b"GET / HTTP/1.0\r\n\r\n")
        transcript["garbage"] = self.raw(server, bytes(range(256)))
        transcript["half a hello"] = self.raw(server, b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03")
        return transcript

    def transcript(self, kind, ini, native):
        server = self.make(kind, native=self.pki if native else None)
        wrap = self.graft.run(ini) if ini else ()
        server.start(wrap=wrap, environment=self.graft.environment() if ini else None)
        if ini:  # HAProxy's master executes itself once at its start
            procs.wait_until(lambda: "libtlsgraft.so" in procs.maps(server.pid), 5, "the shim in the server")
        else:
            self.assertNotIn("libtlsgraft.so", procs.maps(server.pid))
        transcript = self.script(server, kind)
        process = server.process
        transcript["ended by itself"] = server.stop()
        transcript["exit status"] = process.returncode
        server.home.rename(server.home.with_name(f"{server.home.name}-{'with' if ini else 'without'}"))
        return transcript

    def compare(self, kind, way, native):
        without = self.transcript(kind, None, native)
        with_shim = self.transcript(kind, self.ini_of(kind, way), native)
        self.assertEqual(list(without), list(with_shim))
        self.assertGreater(len(without), 20)
        answers = [entry for entry in without.values() if isinstance(entry, dict) and entry["data"]]
        self.assertGreater(len(answers), 4, "the script reached no data at all")
        for key, entry in without.items():
            with self.subTest(server=kind.name, way=way, native=native, connection=key):
                self.assertEqual(entry, with_shim[key])


def _add(kind):
    def test(self):
        self.compare(kind, "off", native=kind in SERVERS)
        self.compare(kind, "elsewhere", native=False)

    test.__doc__ = f"{kind.name} under `off`, and where no section matches."
    setattr(NoHarm, f"test_{kind.name}", test)


for _kind in NO_HARM:
    _add(_kind)


class PythonsOwnTests(ServerCase):
    """The standard library's tests of TLS, under `off` and beside a section of no use: each ends as it does without."""

    def begin(self, module, way, wrap):
        folder = self.home / f"{module}-{way}"
        folder.mkdir()
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TLSGRAFT_", "LD_"))}
        env.update(self.graft.environment() if wrap else {})
        with open(folder / "said", "wb") as said:
            return subprocess.Popen(
                [*map(str, wrap), "/usr/bin/python3", _OUTCOMES, f"test.{module}", folder / "outcomes"], cwd=folder, env=env,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            ), folder

    def outcomes(self, process, folder):
        self.assertEqual(process.returncode, 0, (folder / "said").read_text(errors="replace")[-1000:])
        return json.loads((folder / "outcomes").read_text())

    def test_standard_library(self):
        off = self.graft.run(self.ini({"server": {"mode": "off"}}))
        elsewhere = {"listener elsewhere": {"listen": "127.0.0.1:1", **self.mutual(self.pki.server("rsa"))}}
        unused = self.graft.run(write_ini(self.home / "elsewhere.ini", elsewhere))
        queue = [(module, way, wrap) for module in _PYTHON_TESTS for way, wrap in (("without", ()), ("off", off))]
        queue += [(module, "elsewhere", unused) for module in _PAIRS_IN_MEMORY]
        running = {}
        try:
            for module, way, wrap in queue:
                while sum(process.poll() is None for process, _ in running.values()) >= 8:  # they wait more than they work
                    next(process for process, _ in running.values() if process.poll() is None).wait(240)
                running[module, way] = self.begin(module, way, wrap)
            for process, _ in running.values():
                process.wait(240)
        finally:
            for process, _ in running.values():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        total = 0
        for module in _PYTHON_TESTS:
            with self.subTest(module=module):
                without = self.outcomes(*running[module, "without"])
                self.assertEqual(without, self.outcomes(*running[module, "off"]))
                if module in _PAIRS_IN_MEMORY:
                    self.assertEqual(without, self.outcomes(*running[module, "elsewhere"]))
                total += len(without)
        self.assertGreater(total, 500)
